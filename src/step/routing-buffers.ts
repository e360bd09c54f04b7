// Where a step adds up what is told of routing: a row of numbers for every layer that has a mixture, in one vector.
import { mixtureLayers, plainRouter, toldParts } from '../model/router.ts';
import type { Bindings } from './cut-program.ts';
import type { ProgramBuilder } from './program-builder.ts';
import type { StepSettings } from './settings.ts';

export interface RoutingBuffers {
  /** Of all layers of the model, whatever stage has them: [numbers], doubles. */
  readonly all: number;
  readonly numbers: number;
  /** `told:<name>` of a layer. */
  readonly ofLayer: (layer: number) => Bindings;
  /** Where the counts of a layer's slots begin. */
  readonly loadOf: (layer: number) => number;
}

/** Undefined for a model without mixtures. */
export function routingBuffers(
  builder: ProgramBuilder,
  { config, router = plainRouter }: StepSettings,
): RoutingBuffers | undefined {
  const layers = mixtureLayers(config);
  if (layers.length === 0) return undefined;
  const parts = toldParts(config.mixture!, router);
  const numbers = layers.length * parts.reduce((sum, [, size]) => sum + size, 0);
  const all = builder.own('routing', [numbers], 'double');
  const rows = new Map<number, Record<string, number>>();
  let at = 0;
  for (const layer of layers) {
    const row: Record<string, number> = {};
    for (const [name, size] of parts) {
      row[`told:${name}`] = builder.view(all, at, [size]);
      at += size;
    }
    rows.set(layer, row);
  }
  const each = numbers / layers.length;
  return {
    all,
    numbers,
    ofLayer: (layer) => rows.get(layer) ?? {},
    loadOf: (layer) => layers.indexOf(layer) * each,
  };
}
