// Reads a schedule from the text that describe.ts writes, and proves it; what is wrong is named by its line.
import { fail } from '../errors.ts';
import { buildSchedule, type Size, sizeProblem } from './build.ts';
import { lettersOf, writer } from './describe.ts';
import { isMessage, type Schedule, type Work, type WorkKind } from './schedule.ts';
import { prove } from './verify.ts';

/** Of a file: the proof of any that is read takes seconds at most. */
const mostStages = 1024;

type Refuse = (problem: string, fix?: string) => never;

interface Line {
  readonly number: number;
  readonly text: string;
}

/**
 * `path` is where the text is from, for errors. What follows a # is a comment.
 * @throws SCHEDULE_FILE naming the line and the work that is wrong.
 */
export function parseSchedule(text: string, path = 'schedule'): Schedule {
  const refuse: Refuse = (problem, fix = 'compare it with what fivefold describe prints') =>
    fail('SCHEDULE_FILE', { path, problem, fix });
  const [header, ...rest] = text
    .split('\n')
    .map((line, index): Line => ({ number: index + 1, text: line.replace(/#.*/, '').trim() }))
    .filter((line) => line.text !== '');
  const { name, ...size } = parseHeader(header, refuse);
  const lines = stageLines(rest, size, refuse);
  // A W anywhere makes every B half a backward.
  const split = lines.some((line) => /(^|\s)W\d/.test(line.text));
  const work = lines.map((line) =>
    line.text.split(/\s+/).map((word) => parseWork(word, line, { size, split, refuse })),
  );
  for (const [stage, { length }] of work.entries())
    if (length < size.chunks * size.microbatches)
      refuse(
        `line ${lines[stage]!.number} (stage ${stage}) has less work than ${size.chunks * size.microbatches} forwards`,
      );
  const schedule = buildSchedule(name, size, (stage) => work[stage]!);
  proveFile(schedule, lines, refuse);
  return schedule;
}

function parseHeader(line: Line | undefined, refuse: Refuse): Size & { readonly name: string } {
  const fix = 'begin with a line like: schedule 1f1b stages=4 microbatches=8';
  if (!line) return refuse('it is empty', fix);
  const [word, name = '', ...sizes] = line.text.split(/\s+/);
  if (word !== 'schedule' || !/^[\w.-]{1,40}$/.test(name)) refuse(`line ${line.number} is no header`, fix);
  if (sizes.some((size) => size.startsWith('directions=')))
    refuse(`line ${line.number}: it goes both ways, which is planned for and never run`, 'use one with chunks');
  const given = new Map<string, number>();
  for (const size of sizes) {
    const [, key = '', count = ''] = /^(stages|chunks|microbatches)=(\d{1,9})$/.exec(size) ?? [];
    if (key === '' || given.has(key)) refuse(`line ${line.number}: ${quoted(size)} is no size of a schedule`, fix);
    given.set(key, Number(count));
  }
  const [stages, microbatches] = [given.get('stages'), given.get('microbatches')];
  if (stages === undefined || microbatches === undefined)
    return refuse(`line ${line.number} does not say ${stages === undefined ? 'stages' : 'microbatches'}`, fix);
  const size = { stages, microbatches, chunks: given.get('chunks') ?? 1 };
  const problem = sizeProblem(size);
  if (problem) refuse(`line ${line.number}: ${problem}`, 'change its sizes');
  if (stages > mostStages) refuse(`line ${line.number}: ${stages} stages`, `use at most ${mostStages}`);
  return { name, ...size };
}

/** The line of each stage, without its beginning. */
function stageLines(lines: readonly Line[], { stages }: Size, refuse: Refuse): Line[] {
  const found = new Map<number, Line>();
  for (const line of lines) {
    const [, stageText, text = ''] = /^stage\s+(\d{1,9})\s*:\s*(.*)$/.exec(line.text) ?? [];
    const stage = Number(stageText);
    if (stageText === undefined)
      refuse(
        `line ${line.number} begins with ${quoted(line.text)}`,
        'write a line a stage, like: stage 0: F0 F1 B0 B1',
      );
    if (stage >= stages) refuse(`line ${line.number} is of stage ${stage}, outside 0..${stages - 1}`);
    const earlier = found.get(stage);
    if (earlier) refuse(`line ${line.number} is of stage ${stage}, and so is line ${earlier.number}`);
    if (text === '') refuse(`line ${line.number} (stage ${stage}) has no work`);
    found.set(stage, { number: line.number, text });
  }
  return Array.from(
    { length: stages },
    (_, stage) => found.get(stage) ?? refuse(`stage ${stage} has no line`, `add a line like: stage ${stage}: F0 B0`),
  );
}

interface Reading {
  readonly size: Size;
  readonly split: boolean;
  readonly refuse: Refuse;
}

function parseWork(word: string, line: Line, { size, split, refuse }: Reading): Work {
  const { microbatches, chunks } = size;
  const here = `line ${line.number}: ${quoted(word)}`;
  const [, letters = '', microbatchText, chunkText] = /^([A-Z]+)(\d{1,9})(?:\.(\d{1,9}))?$/.exec(word) ?? [];
  const known = Object.entries(lettersOf(split)) as [WorkKind, string][];
  // Where backwards are whole, B is one: `backward` comes first.
  const kind = letters === 'BW' ? 'backward' : known.find(([, each]) => each === letters)?.[0];
  if (kind === undefined)
    return refuse(`${here} is no work`, `write F, B or W and a microbatch, like ${chunks > 1 ? 'F0.1' : 'F0'}`);
  if ((chunkText === undefined) !== (chunks === 1))
    refuse(
      chunks === 1 ? `${here} names a chunk, and a stage has one` : `${here} names no chunk, and a stage has ${chunks}`,
      chunks === 1 ? 'leave it out, or write chunks=2 in the header' : `write it like ${letters}${microbatchText}.0`,
    );
  const work = { kind, microbatch: Number(microbatchText), chunk: Number(chunkText ?? 0) };
  if (work.microbatch >= microbatches) refuse(`${here} names a microbatch outside 0..${microbatches - 1}`);
  if (work.chunk >= chunks) refuse(`${here} names a chunk outside 0..${chunks - 1}`);
  return work;
}

/** Places are told by line and work; where a message waits, by the work that needs it. */
function proveFile(schedule: Schedule, lines: readonly Line[], refuse: Refuse): void {
  const written = writer(schedule);
  const workAt = (stage: number, index: number) =>
    schedule.stages[stage]!.slice(index).find((action): action is Work => !isMessage(action))!;
  prove(schedule, {
    stage: (stage) => `line ${lines[stage]!.number} (stage ${stage})`,
    action: (action) => (isMessage(action) ? action.what : written(action)),
    at: (stage, index) => `line ${lines[stage]!.number} (stage ${stage}), ${written(workAt(stage, index))}`,
    refuse,
  });
}

const longestQuoted = 40;
const quoted = (text: string): string =>
  `"${text.length > longestQuoted ? `${text.slice(0, longestQuoted)}...` : text}"`;
