// What a caller of the library may give besides plain settings.
import { expect, test } from 'vitest';
import { parseLayout } from './mesh/layout.ts';
import { callFields, checkSettings } from './settings.ts';

test.each([
  'tp=1',
  'tp=2,sp',
  'cp=2,cpMode=ulysses',
  'pp=2,virtual=2,stages=1+2+1+2',
  'dp=2,zero=3,recompute=full:0-1',
])('a parsed layout is a layout: %s', (text) => {
  const layout = parseLayout(text);
  expect(checkSettings({ layout: callFields.layout }, { layout })).toEqual({ layout });
});

test('a layout without one of its settings is none', () => {
  const { cpMode: _, ...rest } = parseLayout('cp=2');
  expect(() => checkSettings({ layout: callFields.layout }, { layout: rest })).toThrow(/is not a layout/);
});
