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
  /** Inference: no backwards. */
  readonly forwardOnly: boolean;
  /** `stages[s]` is what stage s does, in order. */
  readonly stages: readonly (readonly Action[])[];
}

export const isMessage = (action: Action): action is Message => action.kind === 'send' || action.kind === 'recv';

/** Place of a chunk in the model: layers run through virtual stages 0, 1, 2, ... */
export const virtualStage = (stages: number, stage: number, chunk: number): number => chunk * stages + stage;

/** Tags have 31 bits: 1 for what, 14 for the boundary between two virtual stages, 16 for the microbatch. */
export const mostVirtualStages = 2 ** 14;
export const mostMicrobatches = 2 ** 16;

/**
 * Names a message: equal at its two ends, and no other message of a schedule has it. A whole number in [0, 2^31) that a
 * transport carries along, to refuse a wrong one.
 */
export function messageTag(stages: number, stage: number, message: Message): number {
  const { kind, what, microbatch, chunk } = message;
  const own = virtualStage(stages, stage, chunk);
  // Boundary b is between virtual stages b and b + 1.
  const boundary = (kind === 'send') === (what === 'activation') ? own : own - 1;
  return (microbatch * mostVirtualStages + boundary) * 2 + (what === 'gradient' ? 1 : 0);
}
