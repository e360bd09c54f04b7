// V8 then optimizes a function after a million bytecodes of its own, not 67,584. Tests run little code for long and start many threads,
// each of which would compile the same functions anew: a third of their time.
import { setFlagsFromString } from 'node:v8';

// Later versions have no such flag, and a compiler in between that takes little time.
if (process.versions.node.startsWith('20.')) setFlagsFromString('--interrupt-budget=1000000');
