// How far the reading of data is, for whoever waits.

export interface PrepareProgress {
  /** The file being read. */
  readonly path: string;
  /** Read so far, of all sources' files, and to read in all. */
  readonly bytes: number;
  readonly totalBytes: number;
  readonly tokens: number;
}
