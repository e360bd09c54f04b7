// The command that chooses a layout for a cluster: `fivefold plan`.
import type { Command } from 'commander';
import { type AskedOption, askedOptions } from './asked.ts';
import type { CliIo } from './io.ts';
import { addOptions, type OptionValues } from './options.ts';
import { planClaim } from './plan-claim.ts';
import { planServing } from './plan-serving.ts';
import { planTraining, shownLayouts } from './plan-training.ts';
import { plannedOf } from './planned.ts';
import { type ServingOption, servingOptions } from './serving-task.ts';

type PlanOption =
  | AskedOption
  | ServingOption
  | 'train'
  | 'serve'
  | 'offload'
  | 'tokens'
  | 'deadline'
  | 'top'
  | 'least'
  | 'report'
  | 'json'
  | 'debug';

export function addPlan(program: Command, io: CliIo): void {
  const command = program
    .command('plan')
    .description('find the best layouts of a model on a cluster')
    .allowExcessArguments(false);
  const read = addOptions(command, {
    ...askedOptions,
    globalBatch: 'a sequence a device',
    train: '',
    serve: '',
    offload: 'what makes a layout fit',
    tokens: '',
    deadline: '',
    claim: '',
    ...servingOptions,
    top: `${shownLayouts}`,
    least: 'time; of serving throughput',
    report: '',
    json: '',
    debug: '',
  });
  command.addHelpText(
    'after',
    `
Examples:
  $ fivefold plan --model llama-3.1-405b --cluster 16384xh100 --train --seq-len 8192 --global-batch 2048
  $ fivefold plan --model llama-3.1-8b --cluster 8xh100 --train --objective cost --json
  $ fivefold plan --model llama-3.1-70b --cluster 8xh100 --serve --precision fp8 --ttft 1s --tpot 30ms
  $ fivefold plan --model llama-3.1-70b --cluster 64xh100 --serve --precision fp8 --rate 20
  $ fivefold plan --model llama-3.1-8b --cluster 1024xh100 --train --seq-len 8192 --tokens 15T --deadline 90d
  $ fivefold plan --claim "8M tokens/s on 1024 H100" --model llama-3.1-8b

Every layout that divides the model, the batch and the devices is judged: all axes, the schedules that the software has, microbatches, ZeRO, and recomputation. One that does not
fit is judged with as little given up as makes it fit: layers computed anew, activations or the optimizer on the hosts (--offload none: nothing there). Those that
bounds show to be worse than the best are not looked at closer; the best is the best of all (of more than 200,000 grids, or on devices of several kinds, nothing is given up unless nothing fits without). With --json a line a layout: {"rank", "layout",
"microBatch", "offload" (what is on the hosts, if anything is), "fits", predict's fields, "dollarsPerMillionTokens", "joulesPerToken"}, and a last one: {"done":true, "judged", "pruned", "seconds",
"because", "asked"}; \`explain\` reads these lines.

With --deadline the cluster is the most there is: whole nodes are taken of it, as few as train on --tokens in time, with the batch of a step
as it is. The last line of --json then has "training": {"tokens", "steps", "seconds", "devices", "deviceHours", "dollars", "joules"}; dollars and joules are left out where what a device costs or takes is not known.

--claim says which share of the peak a published speed takes, in each format of products, whether anybody has measured as much, and whether a layout
of that cluster reaches it; without --model, how large a model it can be true of. Its lines of --json: {"format", "mfu", "mostMeasured", "verdict",
"obstacle", "layouts"}, and last {"done":true, "verdict", "tokensPerSecondPerGpu", "modelFlopsPerSecondPerGpu", "because"}.

Of serving every instance that divides the model and the devices is judged with every number of requests under way, and pools of those that read
prompts apart from those that write. With --rate the fewest devices are found that answer so many requests a second, of which nine in ten
keep both targets; the cluster is the most there is. A line of --json has {"rank", "layout", "fits", "devices", "concurrency",
"secondsToFirstToken", "secondsPerOutputToken", "secondsOfRequest", "requestsPerSecond", "outputTokensPerSecond", "outputTokensPerSecondPerGpu", "running",
"memoryBytes", "cacheTokens", "iteration", "bottleneck", "dollarsPerMillionTokens", "joulesPerToken"}.`,
  );
  command.action(() => runPlan(read(), io));
}

function runPlan(values: OptionValues<PlanOption>, io: CliIo): Promise<void> {
  switch (plannedOf(values)) {
    case 'claim':
      return planClaim(values, io);
    case 'serving':
      return planServing(values, io);
    case 'training':
      return planTraining(values, io);
  }
}
