// Loops over this rank's own memory that ONNX Runtime lacks.

export type Floats = Float32Array | Float64Array;

export interface AdamwArguments {
  readonly param: Floats;
  readonly grad: Floats;
  readonly firstMoment: Floats;
  readonly secondMoment: Floats;
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
  /** 1 - beta1^step and 1 - beta2^step. */
  readonly biasCorrection1: number;
  readonly biasCorrection2: number;
  /** The gradient is multiplied by it first (clipping). */
  readonly gradScale: number;
}

export interface LocalKernels {
  /** One AdamW step, in place on param and both moments; all vectors of one length and type. */
  adamw(args: AdamwArguments): void;
  /** Σ of squares, summed in f64. */
  sumSquares(vector: Floats): number;
  /** Element i becomes the (start + i)-th number of the key's normal sequence, times `std`. */
  normalFill(out: Floats, args: { readonly start: number; readonly key: number; readonly std: number }): void;
}
