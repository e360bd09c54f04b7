// What stands beside the devices of a node: the processors' memory, which devices can put things in.

export interface Host {
  readonly memoryBytes: number;
  /** Peak of all its memory channels. */
  readonly memoryBytesPerSecond: number;
  /** That share it. */
  readonly devices: number;
  /** Where the figures are from. */
  readonly source: string;
}
