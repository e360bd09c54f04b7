// What frameworks do in different ways, whatever the layout; what a stack of today does, and what our own runtime does.

/** What is done in one of several ways. */
export const ways = {
  attention: ['scores', 'flash-2', 'tuned'],
  launches: ['interpreted', 'awaited', 'compiled', 'captured', 'none'],
  updated: ['gathered', 'copied', 'broadcast'],
  loss: ['separate', 'in place', 'fused', 'blocks'],
  experts: ['by op', 'looped', 'fused'],
  selects: ['products', 'every second product'],
} as const;

/** Orders in which a pipeline's stages can work; the second and the fourth with several chunks a stage. */
export const pipelineOrders = ['gpipe', 'breadth-first', '1f1b', 'interleaved', 'zb-h1', 'dualpipe'] as const;
export type PipelineOrder = (typeof pipelineOrders)[number];

/** What may wait in the hosts' memory: see `Offload` of training/offload.ts. */
export const offloadedParts = ['optimizer', 'activations'] as const;
export type OffloadedPart = (typeof offloadedParts)[number];

type Way<K extends keyof typeof ways> = (typeof ways)[K][number];

/** Flags of what is done; `narrowGradients` and `narrowAttention` are acted on where formats are chosen (mixedPrecision of training/scenario.ts). */
export interface Software {
  /** Gradients are reduced while the last microbatch's backward runs. */
  readonly overlapsGradients: boolean;
  /** Parameters are gathered while the first microbatch's forward runs. */
  readonly overlapsParameters: boolean;
  /** Tensor-parallel collectives run beside the products they belong to, piece by piece. */
  readonly overlapsTensor: boolean;
  /** Messages between stages are under way while both ends compute. */
  readonly overlapsPipeline: boolean;
  /** Exchanges of experts run beside other work. */
  readonly overlapsExperts: boolean;
  /** A ring's next keys are on their way while attention sees those before them. */
  readonly overlapsRing: boolean;
  /** A token that several experts of a node want is sent there once (DeepEP). */
  readonly sendsOnce: boolean;
  /** How attention is done: its scores written and read, never held (FlashAttention 2), or that with kernels made for the device. */
  readonly attention: Way<'attention'>;
  /** Elementwise ops that follow one another are one kernel. */
  readonly fuses: boolean;
  /** The optimizer goes once through all that it reads and writes. */
  readonly fusedOptimizer: boolean;
  /**
   * How kernels are launched: by an interpreter op by op, by one that waits for each to end (CUDA_LAUNCH_BLOCKING), by a compiled
   * program, all at once (CUDA graphs), or by nobody, as on a core.
   */
  readonly launches: Way<'launches'>;
  /**
   * How experts work: op by op; as in Megatron, whose products are launched for each expert in a loop (Transformer Engine's GroupedLinear)
   * and whose biases are added op by op; or with their activation and all experts in one kernel (Transformer Engine's fused grouped MLP).
   */
  readonly experts: Way<'experts'>;
  /** With sequence parallelism: what is gathered before products is not kept for their gradients but gathered again (Megatron). */
  readonly gathersAgain: boolean;
  /** Gradients of weights are made in 16 bits, and kernels of their own add them to sums: not the products that make them. */
  readonly addsApart: boolean;
  /** What ZeRO shares out is gathered tensor by tensor, not by block (DeepSpeed of 2021). */
  readonly gathersTensors: boolean;
  /**
   * How parameters that ranks have updated with ZeRO 1 come to the others: by one gather; gathered, then copied into place part by part of
   * every tensor (Nanotron's all_gather_coalesced); or broadcast by each rank, which has whole tensors (InternEvo's broadcast_params).
   */
  readonly updated: Way<'updated'>;
  /**
   * How the loss is taken of a microbatch's logits: op by op in fp32; in fp32, each op in the place of the one before; by one kernel
   * that widens no more than it works on; or over blocks of tokens, so that no logits of a whole microbatch are held.
   */
  readonly loss: Way<'loss'>;
  /** What `recompute=selective` keeps: all products, or one of two (TorchTitan). */
  readonly selects: Way<'selects'>;
  /** Tensor-parallel sums wait for the last of their ranks. */
  readonly awaitsRanks: boolean;
  /** Dropout after attention, in attention and after the MLP. */
  readonly dropout: boolean;
  /** Gradients are as wide as parameters where they are summed up and sent. */
  readonly narrowGradients: boolean;
  /** Attention's products are of the format of the others. */
  readonly narrowAttention: boolean;
  /** Memory is laid out before the first step: no allocator, no workspaces, and room for as many rows of experts as can come. */
  readonly plansMemory: boolean;
  /** Those that it has: a search looks at no others. None: it has no pipelines. */
  readonly pipelines: readonly PipelineOrder[];
  /** What it can have on the hosts: a search puts nothing else there. */
  readonly offloads: readonly OffloadedPart[];
}

/** Of a tuned stack of today. */
export const currentSoftware: Software = {
  overlapsGradients: true,
  overlapsParameters: true,
  overlapsTensor: true,
  overlapsPipeline: true,
  overlapsExperts: false,
  overlapsRing: true,
  sendsOnce: true,
  attention: 'tuned',
  fuses: true,
  fusedOptimizer: true,
  launches: 'compiled',
  experts: 'by op',
  gathersAgain: true,
  addsApart: false,
  gathersTensors: false,
  updated: 'gathered',
  loss: 'in place',
  selects: 'products',
  awaitsRanks: false,
  dropout: false,
  narrowGradients: false,
  narrowAttention: false,
  plansMemory: false,
  pipelines: pipelineOrders,
  offloads: offloadedParts,
};

/** Of this project's own runtime: a rank does one thing after another, each as its program says. */
export const ownRuntime: Software = {
  overlapsGradients: false,
  overlapsParameters: false,
  overlapsTensor: false,
  overlapsPipeline: false,
  overlapsExperts: false,
  overlapsRing: false,
  sendsOnce: false,
  attention: 'tuned',
  fuses: true,
  fusedOptimizer: false,
  launches: 'none',
  experts: 'by op',
  gathersAgain: false,
  addsApart: false,
  gathersTensors: false,
  updated: 'gathered',
  loss: 'blocks',
  selects: 'products',
  awaitsRanks: false,
  dropout: false,
  narrowGradients: false,
  narrowAttention: false,
  plansMemory: true,
  pipelines: ['gpipe', 'breadth-first', '1f1b', 'interleaved', 'zb-h1'],
  offloads: [],
};
