// What recomputation keeps: from it all that the backward pass reads can be had again, and no more is kept than the policy says.
import { describe, expect, test } from 'vitest';
import { configJson, type FamilyName, familyNames, mixtures } from '../../test/small-models.ts';
import { parseLayout } from '../mesh/layout.ts';
import { coordsOf } from '../mesh/mesh.ts';
import { type RecomputePolicy, recomputePolicies } from '../mesh/recompute.ts';
import { elements, type Program } from '../program/program.ts';
import { segment } from '../program/segment.ts';
import { parseModelConfig } from './families.ts';
import { type PartPrograms, tracePart } from './parts.ts';
import { plainRouter, type RouterContext } from './router.ts';

const layouts = ['tp=1', 'tp=2', 'tp=2,sp', 'tp=4'];

function programsOf(
  family: FamilyName,
  text: string,
  policy: RecomputePolicy,
  router: Partial<RouterContext> = {},
): PartPrograms {
  const json = configJson({
    ...{ family, heads: 4, kvHeads: 2, headDim: 6, hidden: 24, mlp: 32, vocab: 20, layers: 2 },
    ...{ tied: false, biases: true, window: 5 },
    mixture: { experts: 6, perToken: 2, width: 16, sharedWidth: 8, normalised: true, dense: [] },
  });
  const layout = parseLayout(text);
  const settings = {
    ...{ config: parseModelConfig(json, family), layout, coords: coordsOf(layout, 0), batch: 2, seqLen: 8 },
    router: { ...plainRouter, seqLen: 8, sequences: 2, ...router },
  };
  return tracePart('block', settings, { policy });
}

/** Of floats: where tokens stand is in the token buffers anyway. */
const saved = (values: Program['outputs']): string[] =>
  Object.entries(values)
    .flatMap(([name, { dtype }]) => (name.startsWith('saved:') && dtype === 'float' ? [name] : []))
    .sort();
const bytes = ({ outputs }: Program): number =>
  saved(outputs).reduce((sum, name) => sum + elements(outputs[name]!.shape), 0);

describe.each(familyNames)('%s', (family) => {
  test.each(layouts)('in %s', (text) => {
    const [none, selective, full] = recomputePolicies.map((policy) => programsOf(family, text, policy));
    for (const { forward, recompute, backward, inputGradient } of [none!, selective!, full!]) {
      const read = saved(backward.inputs);
      // All that is read is kept or made anew, none both.
      const again = recompute ? saved(recompute.outputs) : [];
      const kept = saved(forward.outputs).filter((name) => read.includes(name));
      expect([...kept, ...again].sort()).toEqual(read);
      expect(saved(inputGradient.inputs)).toEqual(read);
      if (!recompute) continue;
      // Made from what is kept, in the order of the forward pass.
      const known = new Set(Object.values(recompute.inputs).map(({ id }) => id));
      for (const node of recompute.nodes) {
        for (const { id } of node.inputs) expect(known.has(id), `${node.op.name} at ${node.site}`).toBe(true);
        for (const { id } of node.outputs) known.add(id);
      }
      expect(saved(recompute.inputs)).toEqual(saved(forward.outputs));
    }
    expect(none!.recompute).toBeUndefined();
    const costly = selective!.recompute!.nodes.filter(
      ({ op, inputs, attrs }) => op.execution.by === 'transport' || (op.flops?.(inputs, attrs) ?? 0) > 0,
    );
    expect(costly).toEqual([]);
    // The block's input, and nothing else.
    expect(Object.values(full!.forward.outputs)).toContain(full!.forward.inputs.x);
    expect(saved(full!.forward.outputs).length).toBe(1);
    expect(bytes(full!.forward)).toBeLessThan(bytes(selective!.forward));
    expect(bytes(selective!.forward)).toBeLessThan(bytes(none!.forward));
  });
});

test.each(mixtures.flatMap((family) => recomputePolicies.map((policy) => [family, policy] as const)))(
  '%s, %s: parameters are not kept, nor what is one under another type',
  (family, policy) => {
    for (const [text, router] of [
      ['ep=2', {}],
      ['ep=2,dp=2', {}],
      ['dp=2', { capacity: 0.5 }],
      ['dp=2', { routing: 'experts' }],
    ] as const) {
      const { forward, backward } = programsOf(family, text, policy, router);
      const params = new Set(
        Object.entries(forward.inputs).flatMap(([name, { id }]) => (name.startsWith('param:') ? [id] : [])),
      );
      const { memoryOf } = segment(forward);
      const areParams = (values: Program['outputs']) =>
        Object.entries(values).filter(([name, value]) => name.startsWith('saved:') && params.has(memoryOf(value).id));
      expect(areParams(forward.outputs)).toEqual([]);
      // Experts that ranks see as their own are read so.
      expect(areParams(backward.inputs).length).toBeGreaterThan(0);
    }
  },
);
