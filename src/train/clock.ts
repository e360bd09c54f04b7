// The clock of one rank: how long its steps compute and talk, and, for a trace, what every instruction did when.
import type { Layout } from '../mesh/layout.ts';
import { type Coords, coordsOf, type Mesh } from '../mesh/mesh.ts';
import type { Counted } from '../runtime/executor.ts';
import type { TraceCategory, TraceSpan } from '../runtime/perfetto.ts';
import type { Instruction, RankProgram } from '../step/step.ts';

export interface Clock {
  /** Begins a step: times count from here, and spans carry its number. */
  begin(step: number): void;
  /** An instruction was played; in milliseconds on a clock that all ranks share. */
  observe(instruction: Instruction, start: number, end: number, counted: Counted): void;
  /** Does what is no instruction; in a trace it has a span of its own. */
  during<T>(category: TraceCategory, name: string, work: () => T): T;
  /** Of the step, inside collectives and messages, waiting included. */
  communicationSeconds(): number;
  computeSeconds(): number;
  /** The spans since they were last taken; none without `trace`. */
  takeSpans(): TraceSpan[];
}

/** `rank 3 (tp 1, pp 1)`: with the coordinates on axes of several ranks. */
export function rankName(mesh: Mesh, rank: number): string {
  const coords = coordsOf(mesh, rank);
  const told = Object.entries(coords).filter(([axis]) => mesh[axis as keyof Mesh] > 1);
  return `rank ${rank}${told.length > 0 ? ` (${told.map(([axis, at]) => `${axis} ${at}`).join(', ')})` : ''}`;
}

/** Of the programs that make up a step. */
export function createClock(programs: readonly [RankProgram, ...RankProgram[]], layout: Layout, trace: boolean): Clock {
  const [{ rank }] = programs;
  const coords = coordsOf(layout, rank);
  const isChunked = layout.virtual > 1;
  const labels = new Map(
    trace
      ? programs.flatMap((program) =>
          program.instructions.map((each) => [each, labelOf(each, program, coords, isChunked)] as const),
        )
      : [],
  );
  let [step, communication, compute] = [0, 0, 0];
  let spans: TraceSpan[] = [];
  let phase: (Label & { start: number; end: number }) | undefined;
  const add = ({ name, category, args }: Label, start: number, end: number): void =>
    void spans.push({
      rank,
      name,
      category,
      startMicroseconds: start * 1000,
      durationMicroseconds: (end - start) * 1000,
      args: { step, ...args },
    });
  const endPhase = (): void => {
    if (phase) add(phase, phase.start, phase.end);
    phase = undefined;
  };
  return {
    begin(number) {
      [step, communication, compute] = [number, 0, 0];
    },
    observe(instruction, start, end, counted) {
      if (isCommunication(instruction)) communication += end - start;
      else compute += end - start;
      const label = labels.get(instruction);
      if (!label) return;
      add({ ...label, args: { ...label.args, ...countedOf(instruction, counted) } }, start, end);
      const name = phaseOf(instruction, isChunked);
      if (phase && phase.name !== name) endPhase();
      if (name === undefined) return;
      const args = placeOf(instruction, coords, isChunked);
      phase ??= { name, category: 'step', args, start, end };
      phase.end = end;
    },
    during(category, name, work) {
      const start = performance.timeOrigin + performance.now();
      const result = work();
      endPhase();
      if (trace) add({ name, category, args: {} }, start, performance.timeOrigin + performance.now());
      return result;
    },
    communicationSeconds: () => communication / 1000,
    computeSeconds: () => compute / 1000,
    takeSpans() {
      const taken = spans;
      spans = [];
      return taken;
    },
  };
}

const isCommunication = ({ kind }: Instruction): boolean => kind === 'collective' || kind === 'send' || kind === 'recv';

const isOptimizer = (instruction: Instruction): boolean =>
  instruction.kind === 'host' && ['adamw', 'outerStep'].includes(instruction.node.op.name);

/** The stretch of a step that an instruction is part of. Messages are between them: a stage waits there for another. */
function phaseOf({ kind, phase, microbatch, chunk }: Instruction, isChunked: boolean): string | undefined {
  if (phase === undefined || kind === 'send' || kind === 'recv') return undefined;
  return microbatch === undefined ? phase : `${phase} ${microbatch}${isChunked ? `.${chunk}` : ''}`;
}

/** Where in the step it is; chunks are told apart where a stage has several. */
const placeOf = ({ phase, microbatch, chunk }: Instruction, { pp }: Coords, isChunked: boolean) => ({
  ...(phase && { phase }),
  ...(microbatch !== undefined && { microbatch }),
  ...(isChunked && chunk !== undefined && { chunk }),
  stage: pp,
});

/** What the spans of an instruction have in common. */
type Label = Required<Pick<TraceSpan, 'name' | 'category' | 'args'>>;

/** What is shown of an instruction's counters. */
function countedOf(instruction: Instruction, { bytes, flops }: Counted): TraceSpan['args'] {
  switch (instruction.kind) {
    case 'collective':
      return { axis: instruction.group.axis, bytes };
    case 'send':
      return { axis: 'pp', bytes };
    case 'compute':
    case 'blocks':
      return { flops };
    default:
      return {};
  }
}

function labelOf(instruction: Instruction, program: RankProgram, coords: Coords, isChunked: boolean): Label {
  const { kind, site, layer } = instruction;
  const talks = isCommunication(instruction);
  const buffer =
    kind === 'send' || kind === 'recv' ? instruction.buffer : 'group' in instruction ? instruction.input : undefined;
  const shape = buffer === undefined ? undefined : program.buffers[buffer]!.shape;
  return {
    name: talks ? `${instruction.kind === 'collective' ? instruction.call : kind} ${site}` : site,
    category: talks ? 'communication' : isOptimizer(instruction) ? 'optimizer' : 'compute',
    args: {
      ...placeOf(instruction, coords, isChunked),
      ...(layer !== undefined && { layer }),
      ...(shape && { shape: shape.join(' × ') }),
    },
  };
}
