// Site names in shared memory: shared by number, cut to whole characters, recycled when there are too many.
import { expect, test } from 'vitest';
import { mapMemory, siteCount } from './memory-map.ts';
import { SiteWriter, siteName } from './sites.ts';

const memory = (): SharedArrayBuffer =>
  new SharedArrayBuffer(mapMemory({ size: 2, groups: [], channels: [], timeoutSeconds: 1 }).bytes);

test('a name has one number and the same hash on every rank', () => {
  const buffer = memory();
  const [first, second] = [new SiteWriter(buffer, 0), new SiteWriter(buffer, 1)];
  second.ref('something else');
  const [here, there] = [first.ref('block 3 attention'), second.ref('block 3 attention')];
  expect(first.ref('block 3 attention')).toEqual(here);
  expect(here.id).not.toBe(there.id);
  expect(here.hash).toBe(there.hash);
  expect(here.hash).not.toBe(first.ref('block 4 attention').hash);
  expect([siteName(buffer, 0, here.id), siteName(buffer, 1, there.id)]).toEqual(Array(2).fill('block 3 attention'));
});

test('a long name is cut to 63 bytes of whole characters, and its hash is of all of it', () => {
  const buffer = memory();
  const writer = new SiteWriter(buffer, 0);
  const name = `${'x'.repeat(62)}é and more`;
  expect(siteName(buffer, 0, writer.ref(name).id)).toBe('x'.repeat(62));
  expect(writer.ref(name).hash).not.toBe(writer.ref(`${name}!`).hash);
});

test('with more names than places the oldest make room', () => {
  const buffer = memory();
  const writer = new SiteWriter(buffer, 1);
  const name = (i: number): string => `site number ${i}`;
  for (let i = 0; i < 3 * siteCount + 5; i++) expect(siteName(buffer, 1, writer.ref(name(i)).id)).toBe(name(i));
  const again = writer.ref(name(3));
  expect(siteName(buffer, 1, again.id)).toBe(name(3));
  expect(writer.ref(name(3 * siteCount)).id).toBe(0);
});
