// What the loops of local.ts are given.

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
