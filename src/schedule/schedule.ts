// A pipeline schedule as data: for each stage, the list of things it does in order.

/**
 * Letters of the papers: forward is F. A backward computes both gradients at once; zero-bubble schedules (Qi et al. 2023) have
 * it in two, the gradient of the input (B) and the gradient of the weights (W).
 */
export type WorkKind = 'forward' | 'backward' | 'inputGradient' | 'weightGradient';

/** What a stage computes for one microbatch with one of its chunks. */
export interface Work {
  readonly kind: WorkKind;
  readonly microbatch: number;
  /** Of this stage; 0 when there is one. */
  readonly chunk: number;
  /** A forward and the backward right after it, of the other direction, that are computed side by side; both are there at the same time. */
  readonly beside?: true;
}

export interface Message {
  readonly kind: 'send' | 'recv';
  readonly what: 'activation' | 'gradient';
  readonly microbatch: number;
  /** Of this stage: the one that computed what is sent, the one that needs what is received. */
  readonly chunk: number;
  /** At the other end. */
  readonly stage: number;
}

export type Action = Work | Message;

export interface Schedule {
  readonly name: string;
  readonly microbatches: number;
  /** Parts of the model on each stage. Chunk c of stage s is virtual stage c · stages + s (Narayanan et al. 2021). */
  readonly chunks: number;
  /**
   * Microbatches enter at both ends (DeepSeek-AI 2024): stage s has as chunk 0 part s of the model and as chunk 1 part stages - 1 - s, of which
   * each thus is there twice. The first half of the microbatches goes through chunks 0, the others through chunks 1.
   */
  readonly bothWays: boolean;
  /** Inference: no backwards. */
  readonly forwardOnly: boolean;
  /** `stages[s]` is what stage s does, in order. */
  readonly stages: readonly (readonly Action[])[];
}

export const isMessage = (action: Action): action is Message => action.kind === 'send' || action.kind === 'recv';

/** How parts of the model lie on stages. */
export interface Placement {
  readonly stages: number;
  readonly chunks: number;
  readonly bothWays: boolean;
}

export const placementOf = ({ stages, chunks, bothWays }: Schedule): Placement => ({
  stages: stages.length,
  chunks,
  bothWays,
});

/** Place of a chunk in the model: layers run through virtual stages 0, 1, 2, ...; where both ways are gone the second begins at `stages`. */
export const virtualStage = ({ stages, bothWays }: Omit<Placement, 'chunks'>, stage: number, chunk: number): number =>
  chunk * stages + (bothWays && chunk === 1 ? stages - 1 - stage : stage);

/** The stage and chunk of the next virtual stage, or of the one before; a place beyond the model's end or before its begin. */
export function neighbour(
  placement: Placement,
  at: { readonly stage: number; readonly chunk: number },
  step: 1 | -1,
): { readonly stage: number; readonly chunk: number } | 'beyond' | 'before' {
  const { stages, chunks, bothWays } = placement;
  const other = virtualStage(placement, at.stage, at.chunk) + step;
  const chunk = Math.floor(other / stages);
  if (other < 0 || (bothWays && chunk < at.chunk)) return 'before';
  if (other >= stages * chunks || (bothWays && chunk > at.chunk)) return 'beyond';
  const within = other - chunk * stages;
  return { stage: bothWays && chunk === 1 ? stages - 1 - within : within, chunk };
}

/** Whether a microbatch goes through a chunk. */
export const goesThrough = (
  { bothWays, microbatches }: Pick<Schedule, 'bothWays' | 'microbatches'>,
  microbatch: number,
  chunk: number,
): boolean => !bothWays || microbatch < microbatches / 2 === (chunk === 0);

/** Tags have 31 bits: 1 for what, 14 for the boundary between two virtual stages, 16 for the microbatch. */
export const mostVirtualStages = 2 ** 14;
export const mostMicrobatches = 2 ** 16;

/**
 * Names a message: equal at its two ends, and no other message of a schedule has it. A whole number in [0, 2^31) that a
 * transport carries along, to refuse a wrong one.
 */
export function messageTag(placement: Omit<Placement, 'chunks'>, stage: number, message: Message): number {
  const { kind, what, microbatch, chunk } = message;
  const own = virtualStage(placement, stage, chunk);
  // Boundary b is between virtual stages b and b + 1.
  const boundary = (kind === 'send') === (what === 'activation') ? own : own - 1;
  return (microbatch * mostVirtualStages + boundary) * 2 + (what === 'gradient' ? 1 : 0);
}
