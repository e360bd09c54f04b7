// A layout as people read it.
import { layoutName } from '../plan/training/offload.ts';
import type { TrainingScenario } from '../plan/training/scenario.ts';

/** `stages` of a layout are long: so many layers that follow one another are told once. */
export const shortLayout = ({
  scenario,
}: {
  readonly scenario: Pick<TrainingScenario, 'layout' | 'offload'>;
}): string =>
  layoutName(scenario).replace(/stages=([\d+]+)/, (_, sizes: string) => `stages=${runsOf(sizes.split('+'))}`);

function runsOf(sizes: readonly string[]): string {
  const runs: { size: string; count: number }[] = [];
  for (const size of sizes) {
    const last = runs.at(-1);
    if (last?.size === size) last.count += 1;
    else runs.push({ size, count: 1 });
  }
  return runs.map(({ size, count }) => (count === 1 ? size : `${size}*${count}`)).join('+');
}
