// A pipeline schedule written by hand: proved, drawn, and trained with; its losses are those of 1F1B.
// Run it with `npx tsx examples/own-schedule.ts`.
import { draw, parseLayout, parseSchedule, play, scheduleOf, train, verify, type Work } from 'fivefold';

/** As 1F1B, but a backward (B) sends its input's gradient on before the weights' (W) is computed, which then fills what was idle. */
const text = `
schedule own stages=2 microbatches=6
stage 0: F0 F1 B0 F2 W0 B1 F3 W1 B2 F4 W2 B3 F5 W3 B4 W4 B5 W5
stage 1: F0 B0 F1 B1 W0 F2 B2 W1 F3 B3 W2 F4 B4 W3 F5 B5 W4 W5
`;

const schedule = parseSchedule(text, 'own.schedule');
const { peakLive } = verify(schedule);
console.log(`proved: no stage waits for ever; they hold ${peakLive.join(' and ')} microbatches at most`);

// A forward takes as long as each half of a backward, and a message half of that.
const seconds = { forward: 1, backward: 2, inputGradient: 1, weightGradient: 1 };
const timing = { workSeconds: (_: number, { kind }: Work) => seconds[kind], sendSeconds: () => 0.5 };
for (const each of [schedule, scheduleOf(parseLayout('pp=2'), 6)])
  console.log(`${each.name}\n${draw(play(each, timing), { width: 100, colour: false })}`);

async function lossesOf(layout: string): Promise<number[]> {
  const { steps } = await train({
    model: 'llama-tiny',
    data: `${import.meta.dirname}/../README.md`,
    layout: parseLayout(layout, () => text),
    steps: 3,
    seqLen: 32,
    globalBatch: 6,
    microBatch: 1,
    precision: 'f64',
  });
  return steps.map(({ loss }) => loss);
}

const own = await lossesOf('pp=2,schedule=file:own.schedule');
const usual = await lossesOf('pp=2,schedule=1f1b');
const most = Math.max(...own.map((loss, step) => Math.abs(loss - usual[step]!)));
console.log(`losses ${own.map((loss) => loss.toFixed(4)).join(', ')}: they differ from 1f1b's by ${most} at most`);
