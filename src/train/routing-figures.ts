// What a step's routing came to, as figures: how unevenly experts are used, layer by layer, and the losses of routers.
import { drops, lossesOf, mixtureLayers, plainRouter, toldParts } from '../model/router.ts';
import type { StepSettings } from '../step/settings.ts';
import type { Figures } from './job.ts';

/**
 * By name, from the numbers that a step tells (`TrainingStep.routing`). `imbalance/<layer>`: slots of the busiest expert over the mean;
 * `imbalance`: of the worst layer; `load/<layer>/<expert>`: an expert's share of the slots. `dropped`: the share of all slots that no expert took, where there is a capacity. Where ranks of ep have experts of their own, `rankImbalance` says the same of them. Losses are sums
 * over layers, without what they count by.
 */
export function routingFigures({ config, layout, router = plainRouter }: StepSettings, numbers: Float64Array): Figures {
  const { ep } = layout;
  const layers = mixtureLayers(config);
  const parts = toldParts(config.mixture!, router);
  const size = parts.reduce((sum, [, count]) => sum + count, 0);
  const rows = layers.map((_, index) => {
    let end = index * size;
    const next = (count: number): Float64Array => {
      end += count;
      return numbers.subarray(end - count, end);
    };
    return Object.fromEntries(parts.map(([name, count]) => [name, next(count)]));
  });
  const loads = rows.map(({ load }) => load!);
  const allOf = (name: string) => rows.reduce((sum, row) => sum + total(row[name]!), 0);
  return {
    ...unevenness('imbalance', layers, loads),
    ...Object.fromEntries(
      layers.flatMap((layer, index) =>
        sharesOf(loads[index]!).map((share, expert) => [`load/${layer}/${expert}`, share]),
      ),
    ),
    ...(ep > 1
      ? unevenness(
          'rankImbalance',
          layers,
          loads.map((load) => byRank(load, ep)),
        )
      : {}),
    ...(!drops(router) ? {} : { dropped: 1 - allOf('kept') / Math.max(1, allOf('load')) }),
    ...Object.fromEntries(lossesOf(router).map((name) => [name, allOf(name)])),
  };
}

const total = (numbers: Float64Array): number => numbers.reduce((sum, each) => sum + each, 0);

/** Of all slots, each expert's. */
const sharesOf = (load: Float64Array): number[] => Array.from(load, (slots) => slots / Math.max(1, total(load)));

/** Experts lie in order on the ranks, as many on each. */
const byRank = (load: Float64Array, ranks: number): Float64Array =>
  Float64Array.from({ length: ranks }, (_, rank) =>
    total(load.subarray((rank * load.length) / ranks, ((rank + 1) * load.length) / ranks)),
  );

/** The largest over the mean, of the worst layer and of every one. */
function unevenness(name: string, layers: readonly number[], loads: readonly Float64Array[]): Figures {
  const each = loads.map((load) => (Math.max(...load) * load.length) / Math.max(1, total(load)));
  return {
    [name]: Math.max(...each),
    ...Object.fromEntries(layers.map((layer, index) => [`${name}/${layer}`, each[index]!])),
  };
}
