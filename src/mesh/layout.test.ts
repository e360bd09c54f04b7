// Layouts as text: there and back, and every way to write one wrong.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Layout, oneRank, parseLayout, printLayout, virtualLayers, withSchedulePath } from './layout.ts';

const size = fc.integer({ min: 1, max: 9 });
const anyLayout: fc.Arbitrary<Layout> = fc
  .record({
    tp: size,
    dp: size,
    sp: fc.boolean(),
    schedule: fc.constantFrom('gpipe' as const, '1f1b' as const, 'zb-h1' as const, 'file' as const),
    pp: fc.integer({ min: 1, max: 5 }),
    chunks: fc.integer({ min: 1, max: 4 }),
    layers: fc.infiniteStream(size),
    named: fc.boolean(),
    path: fc.oneof(
      fc.constantFrom('a=b/my.schedule', '/tmp/a,b/s.sched', 'a,tp=2', ' a ', '"a"', 'a"b,c', '\\"a, b\\'),
      fc.string({ unit: 'grapheme', minLength: 1 }),
    ),
  })
  .map(({ pp, chunks, layers, named, schedule, sp, tp, dp, path }) => {
    const virtual = pp > 1 && schedule !== 'zb-h1' ? chunks : 1;
    return {
      ...oneRank,
      tp,
      dp,
      pp,
      sp: sp && tp > 1,
      virtual,
      // What one stage does is no schedule, unless a file says it.
      schedule: pp > 1 || schedule === 'file' ? schedule : oneRank.schedule,
      ...(schedule === 'file' ? { scheduleFile: { path, text: `text of ${path}` } } : {}),
      ...(named ? { stages: [...layers.take(pp * virtual)] } : {}),
    };
  });

const readFile = (path: string): string => `text of ${path}`;

test('a printed layout parses to itself', () => {
  fc.assert(
    fc.property(anyLayout, (layout) => {
      expect(parseLayout(printLayout(layout), readFile)).toEqual(layout);
      // Layouts go to workers.
      expect(structuredClone(layout)).toEqual(layout);
    }),
  );
});

test("a path with a comma stands in quotes, and is changed where a run's folder is another", () => {
  const text = 'pp=2, schedule=file:"/a,b/s", virtual=3';
  expect(parseLayout(text, readFile).scheduleFile).toEqual({ path: '/a,b/s', text: 'text of /a,b/s' });
  expect(withSchedulePath(text, (path) => `/c${path}`)).toBe('pp=2,schedule=file:"/c/a,b/s",virtual=3');
  expect(withSchedulePath('sp,schedule=file:s', (path) => `/a,b/${path}`)).toBe('sp,schedule=file:"/a,b/s"');
});

test('settings in any order, spaces and defaults make no difference', () => {
  expect(parseLayout(' sp , pp = 2, tp=4,zero=0,cp=1 ')).toEqual(parseLayout('tp=4,pp=2,sp=on'));
  expect(printLayout(parseLayout('sp,dp=2,tp=4,pp=3,stages=1+2+3,schedule=gpipe'))).toBe(
    'tp=4,dp=2,pp=3,sp,schedule=gpipe,stages=1+2+3',
  );
  expect(printLayout(parseLayout(''))).toBe('tp=1');
  // What belongs to an axis of 1 changes nothing.
  expect(parseLayout('sp')).toEqual(oneRank);
  expect(parseLayout('virtual=2')).toEqual(oneRank);
  expect(parseLayout('tp=2,sp=off').sp).toBe(false);
});

const messageOf = (text: string): string => {
  try {
    return `parsed to ${printLayout(parseLayout(text, text.includes('virtual') ? readFile : undefined))}`;
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
    'zero=4',
    'virtual=2,schedule=file:a',
    'pp=2,virtual=0',
    'pp=2,virtual=2,schedule=zb-h1',
    'pp=2,virtual=2,stages=1+2+3',
    'schedule=file:',
    'pp=2,schedule=file:my.schedule',
    'pp=2,schedule=file:a,b/my.schedule',
    'schedule=interleaved',
    'recompute=half',
    'recompute=full:3-1',
  ];
  expect(wrong.map((text) => `${text}: ${messageOf(text)}`).join('\n')).toMatchInlineSnapshot(`
    "tp=2,tp=4: layout "tp=2,tp=4": tp is given twice; write it like tp=2,pp=2,dp=2
    tp: layout "tp": tp needs a whole number of at least 1, not ""; write it like tp=2,pp=2,dp=2
    tp=0: layout "tp=0": tp needs a whole number of at least 1, not "0"; write it like tp=2,pp=2,dp=2
    tp=2.5: layout "tp=2.5": tp needs a whole number of at least 1, not "2.5"; write it like tp=2,pp=2,dp=2
    tp=1e1: layout "tp=1e1": tp needs a whole number of at least 1, not "1e1"; write it like tp=2,pp=2,dp=2
    tp=-1: layout "tp=-1": tp needs a whole number of at least 1, not "-1"; write it like tp=2,pp=2,dp=2
    tp=2147483648: layout "tp=2147483648": tp is at most 1048576, not 2147483648; write it like tp=2,pp=2,dp=2
    constructor=1: layout has no axis or setting "constructor"; use tp, cp, ep, dp, pp, cpMode, sp, zero, recompute, schedule, virtual, stages
    __proto__=1: layout has no axis or setting "__proto__"; use tp, cp, ep, dp, pp, cpMode, sp, zero, recompute, schedule, virtual, stages
    tp=two: layout "tp=two": tp needs a whole number of at least 1, not "two"; write it like tp=2,pp=2,dp=2
    tp=2=3: layout "tp=2=3": tp=2=3 has more than one =; write it like tp=2,pp=2,dp=2
    sp=maybe: layout "sp=maybe": sp is on or off, not "maybe"; write it like tp=2,pp=2,dp=2
    schedule=zigzag: layout "schedule=zigzag": schedule is gpipe, 1f1b, zb-h1, dualpipe or file:<path>, not "zigzag"; write it like tp=2,pp=2,dp=2
    schedule: layout "schedule": schedule is gpipe, 1f1b, zb-h1, dualpipe or file:<path>, not ""; write it like tp=2,pp=2,dp=2
    pp=2,stages=1+2+3: layout "pp=2,stages=1+2+3": stages names 3 stages but pp=2; write it like tp=2,pp=2,dp=2
    pp=2,stages=1+0: layout "pp=2,stages=1+0": stages needs a whole number of at least 1, not "0"; write it like tp=2,pp=2,dp=2
    stages: layout "stages": stages needs a whole number of at least 1, not ""; write it like tp=2,pp=2,dp=2
    np=2: layout has no axis or setting "np"; use tp, cp, ep, dp, pp, cpMode, sp, zero, recompute, schedule, virtual, stages
    =2: layout has no axis or setting ""; use tp, cp, ep, dp, pp, cpMode, sp, zero, recompute, schedule, virtual, stages
    cp=2: parsed to cp=2
    ep=4: parsed to ep=4
    zero=4: layout "zero=4": zero is 0, 1, 2 or 3, not "4"; write it like tp=2,pp=2,dp=2
    virtual=2,schedule=file:a: layout "virtual=2,schedule=file:a": virtual needs several stages; add pp=2 or more, or leave virtual out
    pp=2,virtual=0: layout "pp=2,virtual=0": virtual needs a whole number of at least 1, not "0"; write it like tp=2,pp=2,dp=2
    pp=2,virtual=2,schedule=zb-h1: layout "pp=2,virtual=2,schedule=zb-h1": zb-h1 has one chunk a stage; leave virtual out, or use schedule=1f1b
    pp=2,virtual=2,stages=1+2+3: layout "pp=2,virtual=2,stages=1+2+3": stages names 3 stages but pp=2,virtual=2 makes 4; write it like tp=2,pp=2,dp=2
    schedule=file:: layout "schedule=file:": schedule is gpipe, 1f1b, zb-h1, dualpipe or file:<path>, not "file:"; write it like tp=2,pp=2,dp=2
    pp=2,schedule=file:my.schedule: layout "pp=2,schedule=file:my.schedule": its schedule is in a file, and nothing to read it with was given; pass parseLayout a function that reads it, such as readScheduleFile
    pp=2,schedule=file:a,b/my.schedule: layout "pp=2,schedule=file:a,b/my.schedule": "b/my.schedule" is no setting, and a path with a comma needs double quotes; write it like tp=2,pp=2,dp=2
    schedule=interleaved: layout "schedule=interleaved": interleaved is 1f1b with several chunks a stage; use virtual=2
    recompute=half: layout "recompute=half": recompute is none, selective, full, or one of them for some layers such as full:0-3+6, not "half"; write it like tp=2,pp=2,dp=2
    recompute=full:3-1: layout "recompute=full:3-1": recompute's layers are like 0-3+6, not "3-1"; write it like tp=2,pp=2,dp=2"
  `);
});

test('layers go to stages as evenly as they can, the first ones taking the rest, or as named', () => {
  expect(virtualLayers(parseLayout('pp=3'), 8)).toEqual([
    [0, 3],
    [3, 6],
    [6, 8],
  ]);
  expect(virtualLayers(parseLayout('pp=3,stages=1+5+2'), 8)).toEqual([
    [0, 1],
    [1, 6],
    [6, 8],
  ]);
  // Two stages of two chunks: stage 0 has virtual stages 0 and 2.
  expect(virtualLayers(parseLayout('pp=2,virtual=2'), 6)).toEqual([
    [0, 2],
    [2, 4],
    [4, 5],
    [5, 6],
  ]);
  expect(virtualLayers(parseLayout('pp=2,virtual=2,stages=1+2+2+1'), 6)[2]).toEqual([3, 5]);
});
