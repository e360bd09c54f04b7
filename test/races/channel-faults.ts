// Channels that do not keep a rule of channel.ts: what is written before it is counted, and read before it is freed.
import { channelWord, headersWord } from '../../src/runtime/transport/threads/channel-map.ts';
import { channelFault, copies, type Fault, postponed, thenRun } from './fault.ts';

export const channelFaults = {
  'a sender counts bytes as written before it writes them': {
    place: /^bytes/,
    kinds: copies,
    on: 'channel',
    parts: channelFault((memory) => {
      const late = postponed();
      return {
        copyIn: (...copy) => late.add(() => memory.copyIn(...copy)),
        ...thenRun(memory, late, channelWord.written),
      };
    }),
  },
  'a receiver counts bytes as read before it reads them': {
    place: /^bytes/,
    kinds: copies,
    on: 'channel',
    parts: channelFault((memory) => {
      const late = postponed();
      return {
        copyOut: (...copy) => late.add(() => memory.copyOut(...copy)),
        ...thenRun(memory, late, channelWord.read),
      };
    }),
  },
  'a sender does not wait until a header is taken': {
    place: /^header/,
    kinds: ['word read', 'word write'],
    on: 'channel',
    parts: channelFault((memory) => {
      let sent = 0;
      return {
        load: (word) => (word === channelWord.taken ? sent++ : memory.load(word)),
      };
    }),
  },
  'a message is posted before its header is written': {
    place: /^header/,
    kinds: ['word read', 'word write'],
    on: 'channel',
    parts: channelFault((memory) => {
      const late = postponed();
      return {
        write: (word, value) => {
          if (word >= headersWord) late.add(() => memory.write(word, value));
          else memory.write(word, value);
        },
        ...thenRun(memory, late, channelWord.posted),
      };
    }),
  },
  'a receiver says that it has taken a message before it reads the header': {
    place: /^header/,
    kinds: ['word read', 'word write'],
    on: 'channel',
    parts: channelFault((memory) => {
      // Only the receiver waits for what is posted.
      let taken = 0;
      return {
        wait: (word, value, blocked) => {
          memory.wait(word, value, blocked);
          if (word === channelWord.posted) memory.publish(channelWord.taken, ++taken);
        },
        publish: (word, value) => {
          if (word !== channelWord.taken) memory.publish(word, value);
        },
      };
    }),
  },
  'a sender takes a full channel for an empty one': {
    place: /^bytes/,
    kinds: copies,
    on: 'channel',
    parts: channelFault((memory) => ({
      load: (word) => (word === channelWord.read ? memory.read(channelWord.written) : memory.load(word)),
    })),
  },
} as const satisfies Readonly<Record<string, Fault>>;
