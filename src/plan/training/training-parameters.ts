// What measured steps of training say beyond kernels and collectives: few numbers for all models, devices and layouts.
import type { Architecture } from '../hardware/device.ts';
import type { Software } from '../software/software.ts';

export interface TrainingParameters {
  /** Of tensor-parallel collectives that run beside products in pieces: the first piece and the last have none to run beside. */
  readonly hiddenTensor: number;
  /** Of exchanges of experts that run beside other work. */
  readonly hiddenExperts: number;
  /** Kernels beside a collective leave it some multiprocessors and memory bandwidth: so much of its time is theirs too. */
  readonly slowedBeside: number;
  /** Of the kernels that gradients and parameters travel beside, the part that is used: buckets wait for their gradients. */
  readonly usedWindow: number;
  /** Of the memory's rate, the optimizer's. */
  readonly optimizerShare: number;
  /** Of kernels bound by memory where ops that follow one another are one: their part of all that a program's ops move. */
  readonly fusedPasses: number;
  /** And where every op is several: a norm's squares, mean, quotient and product; a rotation's halves. */
  readonly unfusedPasses: number;
  /** FlashAttention 2 over kernels made for the device, by architecture. */
  readonly portableAttention: Readonly<Partial<Record<Architecture, number>>>;
  /** Of the rate of one product, that of a product for each of many experts, whose rows are many in training. */
  readonly groupedShare: number;
  /**
   * That the host takes to launch a kernel, and what comes with it: a layer of some hundred takes an interpreter 3 ms (vTrain, one node). As much shows in
   * one of three pairs of runs where each is awaited or not: a step of 80 A100 takes 14.6 s longer, 3 ms for each of its layers and microbatches; the others
   * do not differ (BigScience's chronicles, 2022).
   */
  readonly launchSeconds: Readonly<Record<Software['launches'], number>>;
  /**
   * Of the work for the host that a kernel is which an interpreter launches, one that a library's loop over experts launches: the loop is compiled,
   * but splits and allocates tensors for each (NVIDIA/TransformerEngine#1499). Set by hand to measured steps of mixtures.
   */
  readonly loopedLaunch: number;
  /** A collective is as much work for the host as so many kernels: events before and after it, and its launch on a stream of its own. */
  readonly collectiveLaunches: number;
  /** That a tensor-parallel sum waits for the last of its ranks, in Megatron-DeepSpeed: set to vTrain's steps. */
  readonly awaitedSeconds: number;
  /** Of the rate of gathers by block, those of every tensor by itself: ZeRO-3 of SC'21 on 384 to 2,240 GPUs alike. */
  readonly tensorGathers: number;
  /** How fully the longer of host and device hides the shorter: a part of the model takes this norm of both. */
  readonly takesTurns: number;
  /** The same where the host waits for the device in every layer, so that neither runs far ahead of the other. Set by hand to measured steps of mixtures. */
  readonly takesTurnsAwaiting: number;
}

export const trainingParameters: TrainingParameters = {
  hiddenTensor: 0.6,
  hiddenExperts: 0.6,
  slowedBeside: 0.06,
  usedWindow: 0.8,
  optimizerShare: 0.75,
  fusedPasses: 0.8,
  unfusedPasses: 1.3,
  portableAttention: { ampere: 1.5, hopper: 2.2, blackwell: 2.4 },
  groupedShare: 0.8,
  launchSeconds: { interpreted: 31e-6, awaited: 31e-6, compiled: 10e-6, captured: 2e-6, none: 0 },
  loopedLaunch: 0.5,
  collectiveLaunches: 2,
  awaitedSeconds: 135e-6,
  tensorGathers: 0.22,
  takesTurns: 8,
  takesTurnsAwaiting: 3,
};
