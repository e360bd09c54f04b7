// The memory of one channel: four counters a line apart, a ring of message headers, a ring of bytes.
//
// Counters only grow (modulo 2^32). Payload bytes are counted exactly, but every message starts at a multiple of 8 in the byte
// ring, which is larger than the capacity by what that can waste.

export const headerWords = 8;

/** Word indices; the word after each counts its sleepers. */
export const channelWord = { posted: 0, written: 32, read: 64, taken: 96 } as const;
export const headersWord = 128;
/** Where the bytes start, behind the headers of the most messages that may be under way. */
export const channelDataAt = (messages: number): number => (headersWord + messages * headerWords) * 4;

/** At least one cache line, so that a channel of capacity 0 still moves data. */
export const usableCapacity = (capacityBytes: number): number => Math.max(64, capacityBytes);

export const ringBytes = (capacityBytes: number, messages: number): number =>
  Math.ceil(usableCapacity(capacityBytes) / 8) * 8 + 8 * messages;

export const channelBytes = (capacityBytes: number, messages: number): number =>
  channelDataAt(messages) + ringBytes(capacityBytes, messages);
