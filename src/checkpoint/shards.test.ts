// Shards read in pieces are those read at once, and every piece is announced.
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { parseLayout } from '../mesh/layout.ts';
import { coordsOf } from '../mesh/mesh.ts';
import { type Part, paramSpecs, shardShape } from '../model/params.ts';
import { openCheckpoint } from './hf-directory.ts';
import { findModel } from './model-source.ts';
import { readShard } from './shards.ts';

const directory = fileURLToPath(new URL('../../test/fixtures/qwen2', import.meta.url));
const { config } = findModel(directory);
const checkpoint = openCheckpoint(directory);
afterAll(() => checkpoint.close());

const parts: readonly Part[] = [
  { name: 'embedding', layer: 0 },
  { name: 'block', layer: 1 },
  { name: 'head', layer: 0 },
];

test.each([0, 1])('tp=2, rank %i: in pieces of a row and of a few', (rank) => {
  const layout = parseLayout('tp=2');
  const coords = coordsOf(layout, rank);
  for (const part of parts)
    for (const spec of paramSpecs(config, layout, part)) {
      const read = (pieceNumbers?: number): { shard: Float64Array; pieces: number } => {
        const shard = new Float64Array(shardShape(spec, layout).reduce((product, size) => product * size, 1));
        let pieces = 0;
        const moved = (): void => void pieces++;
        readShard(checkpoint, spec, shard, layout, coords, { moved, ...(pieceNumbers ? { pieceNumbers } : {}) });
        return { shard, pieces };
      };
      const whole = read();
      expect(whole.pieces).toBe(1);
      for (const pieceNumbers of [1, 7]) {
        const { shard, pieces } = read(pieceNumbers);
        expect(shard).toEqual(whole.shard);
        expect(pieces, spec.name).toBeGreaterThan(shard.length > pieceNumbers ? 1 : 0);
      }
    }
});
