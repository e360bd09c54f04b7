// The command that prints a layout's pipeline schedule: `fivefold describe`.
import type { Command } from 'commander';
import { fail, option } from '../errors.ts';
import { readScheduleFile } from '../files/schedule-file.ts';
import { type Layout, parseLayout } from '../mesh/layout.ts';
import { describe } from '../schedule/describe.ts';
import { draw } from '../schedule/draw.ts';
import { dualPipeProblem } from '../schedule/dual-pipe.ts';
import { type Played, play } from '../schedule/play.ts';
import { readLayoutFile, scheduleOf } from '../schedule/schedules.ts';
import { type ScheduleProof, verify } from '../schedule/verify.ts';
import { type CliIo, writeJson, writeLine } from './io.ts';
import { addOptions, type OptionValues } from './options.ts';
import { wantsColour } from './ui/colour.ts';
import { formatTable } from './ui/table.ts';
import { columnsOf } from './ui/wrap.ts';

const defaults = { layout: 'pp=4', microbatchesPerStage: 2 } as const;

/** As in the papers' pictures: a forward and each of the two gradients take alike. */
const workSeconds = { forward: 1, backward: 2, inputGradient: 1, weightGradient: 1 } as const;

/** More cannot be looked at; proving them takes seconds. */
const mostWork = 2 ** 17;
const mostStages = 1024;

export function addDescribe(program: Command, io: CliIo): void {
  const command = program
    .command('describe')
    .description('print a pipeline schedule as text, to look at or to change')
    .allowExcessArguments(false);
  const read = addOptions(command, {
    layout: defaults.layout,
    microbatches: `those of the file, or ${defaults.microbatchesPerStage} times pp`,
    json: '',
    debug: '',
  });
  command.addHelpText(
    'after',
    `
Examples:
  $ fivefold describe --layout pp=4,virtual=2 --microbatches 8
  $ fivefold describe --layout pp=4,schedule=zb-h1 > my.schedule
  $ fivefold describe --layout pp=4,schedule=file:my.schedule

A line a stage says what it computes in which order: F3 is the forward of microbatch 3, F3.1 its forward through chunk 1 where stages
have several. B is its backward; in a schedule with W, the gradient of the weights, B is the gradient of the input, and BW both at
once. Sends and receives follow from that. What follows a # is a comment. Change the file as you like: it is proved before it runs.

On a terminal a picture follows, with all work equally long (a whole backward twice), and what each stage holds at most.

With --json, one line: {"schedule", "stages", "chunks", "microbatches", "text", "peakLive": [by stage], "peakLiveByChunk": [[by chunk]],
"peakInFlight": [{"from", "to", "messages"}], "bubble"}.`,
  );
  command.action(() => runDescribe(read(), io));
}

function runDescribe(values: OptionValues<'layout' | 'microbatches' | 'json'>, io: CliIo): void {
  if (values.layout === 'auto')
    fail('OPTION_INVALID', {
      option: option('layout'),
      problem: 'auto is decided for a model and a batch, which describe does not know',
      fix: 'name the stages, such as pp=4',
    });
  const layout = parseLayout(values.layout ?? defaults.layout, readScheduleFile);
  const own = ownMicrobatches(layout);
  const microbatches = values.microbatches ?? own;
  if (layout.scheduleFile && microbatches !== own)
    fail('OPTION_INVALID', {
      option: option('microbatches'),
      problem: `${microbatches} are not the ${own} that ${layout.scheduleFile.path} is for`,
      fix: 'leave it out, or use another file',
    });
  checkLength(layout, microbatches);
  const schedule = scheduleOf(layout, microbatches);
  const proof = verify(schedule);
  const played = play(schedule, { workSeconds: (_, { kind }) => workSeconds[kind] });
  if (values.json) {
    const { name, stages, chunks } = schedule;
    const sizes = { schedule: name, stages: stages.length, chunks, microbatches };
    writeJson(io.stdout, { ...sizes, text: describe(schedule), ...proof, bubble: played.bubbleFraction });
    return;
  }
  // Never wrapped: it is to be read back.
  io.stdout.write(describe(schedule));
  if (io.stderr.isTTY) writeLine(io.stderr, `\n${pictureOf(played, proof, io)}`);
}

function ownMicrobatches(layout: Layout): number {
  const schedule = readLayoutFile(layout);
  if (schedule) return schedule.microbatches;
  return defaults.microbatchesPerStage * layout.pp;
}

function checkLength({ pp, virtual, schedule }: Layout, microbatches: number): void {
  if (pp > mostStages)
    fail('OPTION_INVALID', {
      option: option('layout'),
      problem: `pp=${pp} is more than the ${mostStages} stages that can be described`,
      fix: `use pp=${mostStages} or less`,
    });
  const problem = schedule === 'dualpipe' ? dualPipeProblem(pp, microbatches) : undefined;
  if (problem)
    fail('OPTION_INVALID', { option: option('microbatches'), problem, fix: 'leave it out, or use another schedule' });
  if (pp * virtual * microbatches > mostWork)
    fail('OPTION_INVALID', {
      option: option('microbatches'),
      problem: `${microbatches} through ${pp * virtual} chunks are more than can be described`,
      fix: `use ${option('microbatches')} ${Math.max(1, Math.floor(mostWork / pp / virtual))} or less`,
    });
}

function pictureOf(played: Played, { peakLive, peakLiveByChunk }: ScheduleProof, io: CliIo): string {
  const columns = columnsOf(io.stderr);
  const colour = wantsColour(io.stderr);
  const chunks = peakLiveByChunk[0]!.length;
  const table = formatTable({
    head: ['live at most', 'microbatches', ...(chunks > 1 ? ['by chunk'] : [])],
    rows: peakLive.map((live, stage) => [
      `stage ${stage}`,
      live,
      ...(chunks > 1 ? [peakLiveByChunk[stage]!.join(', ')] : []),
    ]),
    align: ['left', 'right', 'left'],
    colour,
    columns,
  });
  return `${draw(played, { width: Math.min(columns, 400), colour })}\n\n${table}`;
}
