// What a device has to do for an op, as a cost model sees it: the sizes of its products, or the memory it goes through.

export type KernelShape =
  /** `batch` products [m, k] · [k, n]. */
  | {
      readonly kind: 'matmul';
      readonly batch: number;
      readonly m: number;
      readonly n: number;
      readonly k: number;
      /** The result is added to what was there: the gradient of a weight. */
      readonly accumulates?: true;
    }
  /** A product [its rows, k] · [k, n] for each of so many groups, which have `rows` together. `weights`: rows are summed over, results are [k, n]. */
  | {
      readonly kind: 'grouped';
      readonly groups: number;
      readonly rows: number;
      readonly n: number;
      readonly k: number;
      readonly weights?: true;
    }
  /** Attention that never holds its scores. `scores`: those that are computed, of one head and one row of the batch. */
  | {
      readonly kind: 'attention';
      readonly pass: 'forward' | 'backward';
      readonly batch: number;
      readonly heads: number;
      readonly kvHeads: number;
      /** Of queries and keys, and of values. */
      readonly headDim: number;
      readonly valueDim: number;
      readonly queries: number;
      readonly keys: number;
      readonly scores: number;
      /** Values are features of keys, and read with them (latent attention over what it keeps). */
      readonly valuesInKeys?: true;
    }
  /**
   * Bound by memory: what is read and written, in elements of floats, and in bytes of all that is not. `op`: of a program, whose name it has;
   * `ofExperts`: it works on the rows of a mixture's experts.
   */
  | {
      readonly kind: 'memory';
      readonly floats: number;
      readonly bytes: number;
      readonly op?: string;
      readonly ofExperts?: true;
    };

export type KernelKind = KernelShape['kind'];
