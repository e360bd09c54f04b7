// Layouts as text: there and back, and every way to write one wrong.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Layout, oneRank, parseLayout, printLayout, scheduleNames, stageLayers } from './layout.ts';

const size = fc.integer({ min: 1, max: 9 });
const anyLayout: fc.Arbitrary<Layout> = fc
  .record({
    tp: size,
    dp: size,
    sp: fc.boolean(),
    schedule: fc.constantFrom(...scheduleNames),
    stages: fc.array(size, { minLength: 1, maxLength: 6 }),
    named: fc.boolean(),
  })
  .map(({ stages, named, schedule, sp, tp, dp }) => ({
    ...oneRank,
    tp,
    dp,
    pp: stages.length,
    sp: sp && tp > 1,
    // What one stage does is no schedule.
    schedule: stages.length > 1 ? schedule : oneRank.schedule,
    ...(named ? { stages } : {}),
  }));

test('a printed layout parses to itself', () => {
  fc.assert(
    fc.property(anyLayout, (layout) => {
      expect(parseLayout(printLayout(layout))).toEqual(layout);
    }),
  );
});

test('settings in any order, spaces and defaults make no difference', () => {
  expect(parseLayout(' sp , pp = 2, tp=4,zero=0,cp=1 ')).toEqual(parseLayout('tp=4,pp=2,sp=on'));
  expect(printLayout(parseLayout('sp,dp=2,tp=4,pp=3,stages=1+2+3,schedule=gpipe'))).toBe(
    'tp=4,dp=2,pp=3,sp,schedule=gpipe,stages=1+2+3',
  );
  expect(printLayout(parseLayout(''))).toBe('tp=1');
  expect(parseLayout('sp')).toEqual(oneRank);
  expect(parseLayout('tp=2,sp=off').sp).toBe(false);
});

const messageOf = (text: string): string => {
  try {
    return `parsed to ${printLayout(parseLayout(text))}`;
  } catch (error) {
    return (error as Error).message;
  }
};

test('every mistake says what to write', () => {
  const wrong = [
    'tp=2,tp=4',
    'tp',
    'tp=0',
    'tp=2.5',
    'tp=1e1',
    'tp=-1',
    'tp=2147483648',
    'constructor=1',
    '__proto__=1',
    'tp=two',
    'tp=2=3',
    'sp=maybe',
    'schedule=zigzag',
    'schedule',
    'pp=2,stages=1+2+3',
    'pp=2,stages=1+0',
    'stages',
    'np=2',
    '=2',
    'cp=2',
    'ep=4',
    'zero=1',
    'virtual=2',
    'recompute=full',
  ];
  expect(wrong.map((text) => `${text}: ${messageOf(text)}`).join('\n')).toMatchInlineSnapshot(`
    "tp=2,tp=4: layout "tp=2,tp=4": tp is given twice; write it like tp=2,pp=2,dp=2
    tp: layout "tp": tp needs a whole number of at least 1, not ""; write it like tp=2,pp=2,dp=2
    tp=0: layout "tp=0": tp needs a whole number of at least 1, not "0"; write it like tp=2,pp=2,dp=2
    tp=2.5: layout "tp=2.5": tp needs a whole number of at least 1, not "2.5"; write it like tp=2,pp=2,dp=2
    tp=1e1: layout "tp=1e1": tp needs a whole number of at least 1, not "1e1"; write it like tp=2,pp=2,dp=2
    tp=-1: layout "tp=-1": tp needs a whole number of at least 1, not "-1"; write it like tp=2,pp=2,dp=2
    tp=2147483648: layout "tp=2147483648": tp is at most 1048576, not 2147483648; write it like tp=2,pp=2,dp=2
    constructor=1: layout has no axis or setting "constructor"; use tp, cp, ep, dp, pp, sp, schedule, stages, zero, virtual, recompute
    __proto__=1: layout has no axis or setting "__proto__"; use tp, cp, ep, dp, pp, sp, schedule, stages, zero, virtual, recompute
    tp=two: layout "tp=two": tp needs a whole number of at least 1, not "two"; write it like tp=2,pp=2,dp=2
    tp=2=3: layout "tp=2=3": tp=2=3 has more than one =; write it like tp=2,pp=2,dp=2
    sp=maybe: layout "sp=maybe": sp is on or off, not "maybe"; write it like tp=2,pp=2,dp=2
    schedule=zigzag: layout "schedule=zigzag": schedule is gpipe or 1f1b, not "zigzag"; write it like tp=2,pp=2,dp=2
    schedule: layout "schedule": schedule is gpipe or 1f1b, not ""; write it like tp=2,pp=2,dp=2
    pp=2,stages=1+2+3: layout "pp=2,stages=1+2+3": stages names 3 stages but pp=2; write it like tp=2,pp=2,dp=2
    pp=2,stages=1+0: layout "pp=2,stages=1+0": stages needs a whole number of at least 1, not "0"; write it like tp=2,pp=2,dp=2
    stages: layout "stages": stages needs a whole number of at least 1, not ""; write it like tp=2,pp=2,dp=2
    np=2: layout has no axis or setting "np"; use tp, cp, ep, dp, pp, sp, schedule, stages, zero, virtual, recompute
    =2: layout has no axis or setting ""; use tp, cp, ep, dp, pp, sp, schedule, stages, zero, virtual, recompute
    cp=2: cp=2 is not supported yet; use cp=1 with tp, pp and dp
    ep=4: ep=4 is not supported yet; use ep=1 with tp, pp and dp
    zero=1: zero=1 is not supported yet; leave it out or write zero=0
    virtual=2: virtual=2 is not supported yet; leave it out or write virtual=1
    recompute=full: recompute=full is not supported yet; leave it out or write recompute=none"
  `);
});

test('layers go to stages as evenly as they can, the first ones taking the rest, or as named', () => {
  expect(stageLayers(parseLayout('pp=3'), 8)).toEqual([
    [0, 3],
    [3, 6],
    [6, 8],
  ]);
  expect(stageLayers(parseLayout('pp=3,stages=1+5+2'), 8)).toEqual([
    [0, 1],
    [1, 6],
    [6, 8],
  ]);
});
