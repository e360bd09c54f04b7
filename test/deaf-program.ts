// A program that listens to signals as the command line does, and then blocks its only thread for ever.
import { stopSignal } from '../src/cli/process.ts';

stopSignal();
process.stdout.write('deaf\n');
Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
