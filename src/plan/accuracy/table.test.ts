import { expect, test } from 'vitest';
import { numberIn, parseTable } from './table.ts';

const head = 'id,gpu,num_gpus,model,seq_len,global_batch,tp,pp,dp,notes';

test('rows by column, quoted fields whole, empty ones not there', () => {
  const { kind, rows } = parseTable('x', `${head}\na,H100,8,m,2048,,1,1,8,"says ""a, b"""\n\nb,H100,,m,x,1,1,1,8,\n`);
  expect(kind).toBe('training');
  expect(rows).toHaveLength(2);
  expect(rows[0]).toMatchObject({ id: 'a', notes: 'says "a, b"' });
  expect('global_batch' in rows[0]!).toBe(false);
  expect(['num_gpus', 'global_batch', 'notes'].map((column) => numberIn(rows[0]!, column))).toEqual([
    8,
    undefined,
    undefined,
  ]);
  expect(numberIn(rows[1]!, 'seq_len')).toBeUndefined();
});

test.each([
  ['gpu,collective,bytes,median_us,alg', 'operators'],
  ['engine,model,gpu,isl,osl,metric,value', 'throughputs'],
  ['system,model_path,isl,osl,concurrency,silicon_ttft_ms,silicon_tpot_ms', 'latencies'],
])('%s: a table of %s', (header, kind) => {
  expect(parseTable('x', `${header}\n`)).toEqual({ name: 'x', kind, rows: [] });
});

test.each([
  ['no header of ours', 'a,b\n1,2\n', /columns are not those/],
  ['nothing', '', /columns are not those/],
  ['a column twice', `${head},gpu\na,H100,8,m,1,1,1,1,8,ok,A100\n`, /column gpu is there twice/],
  ['not CSV at all', '\0\0\0', /columns are not those/],
  ['a row with a field too many', `${head}\na,H100,8,m,1,1,1,1,8,,more\n`, /row 1 is not CSV/],
  ['a quote that does not end', `${head}\na,H100,8,m,1,1,1,1,8,ok\nb,"H100,8\n`, /row 2 is not CSV/],
])('%s is refused in one line', (_, text, message) => {
  expect(() => parseTable('x', text)).toThrow(message);
  expect(() => parseTable('x', text)).toThrow(/^table x: [^\n]+; [^\n]+$/);
});
