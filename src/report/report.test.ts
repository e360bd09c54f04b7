// The page of predictions: it is well-formed, loads nothing, shows the predictions' numbers, and nobody's name is code in it.
import { expect, test } from 'vitest';
import { elementsOf, readPage, readText } from '../../test/markup.ts';
import { namedScenario } from '../../test/training-scenarios.ts';
import { printLayout } from '../mesh/layout.ts';
import { fittedCosts } from '../plan/cost/fitted-costs.ts';
import { alternatives } from '../plan/explain/alternatives.ts';
import { predictorOf } from '../plan/explain/judged.ts';
import { judgeRules } from '../plan/explain/rules.ts';
import { trainingRules } from '../plan/explain/training-rules.ts';
import { playTraining, predictTraining } from '../plan/training/predict-training.ts';
import { scalingCurve } from '../plan/training/scaling-curve.ts';
import { isMessage } from '../schedule/schedule.ts';
import { formatBytes, formatSeconds } from '../units.ts';
import { paretoFront } from './front.ts';
import { writeReport } from './report.ts';

const layouts = ['tp=2,pp=4,dp=4,sp,zero=1', 'tp=4,dp=8,sp,zero=1,recompute=full', 'dp=32,zero=3'].map((layout) => {
  const scenario = namedScenario({ layout, cluster: '32xh100', globalBatch: 64 });
  return { scenario, prediction: predictTraining(scenario, fittedCosts), joulesPerToken: 0.5 };
});
const [first] = layouts as [(typeof layouts)[number]];
const played = playTraining(first.scenario, fittedCosts);
const curve = scalingCurve(first.scenario, fittedCosts);
const considered = layouts.map(({ scenario, prediction }) => ({
  layout: printLayout(scenario.layout),
  stepSeconds: prediction.stepSeconds,
  memoryBytes: prediction.memory.total,
}));
const report = { title: 'llama on 32xh100', asked: [['model', 'llama']] as const, layouts, played, curve, considered };
const text = writeReport(report);
const page = readPage(text);

test('nothing is loaded: no address, no script, and browsers are told so', () => {
  expect(text).not.toMatch(/https?:|\/\/|url\(|@import|javascript:/i);
  const names = new Set(elementsOf(page).map(({ name }) => name));
  for (const name of ['script', 'link', 'img', 'iframe', 'object', 'embed', 'form', 'a', 'use', 'image'])
    expect(names).not.toContain(name);
  for (const { attributes } of elementsOf(page))
    for (const key of Object.keys(attributes)) expect(key).not.toMatch(/^(src|href|on.*|style)$/);
  const policies = elementsOf(page, 'meta').map(({ attributes }) => attributes);
  expect(policies).toContainEqual({
    'http-equiv': 'Content-Security-Policy',
    content: "default-src 'none'; style-src 'unsafe-inline'",
  });
});

test('the reader of pages refuses what is not well-formed', () => {
  for (const wrong of ['<p>', '<p></b>', '<p a=1></p>', '<p>a & b</p>', '<p>a < b</p>', '<p a="<"></p>'])
    expect(() => readPage(`<!DOCTYPE html>${wrong}`)).toThrow();
});

test('every section is there, and only those there is something for', () => {
  const headings = (given: string) => elementsOf(readPage(given), 'h2').map(readText);
  const always = ['Memory of a rank of the fullest stage', 'Time of a step', 'What was asked'];
  expect(headings(text)).toEqual([
    'Layouts',
    ...always.slice(0, 2),
    'The pipeline',
    'Time against memory',
    'Scaling',
    'What was asked',
  ]);
  expect(headings(writeReport({ title: '', asked: [], layouts: [layouts[1]!] }))).toEqual(['Layout', ...always]);
});

const table = (label: string): string[][] => {
  const region = elementsOf(page, 'div').find(({ attributes }) => attributes['aria-label'] === label)!;
  return elementsOf(region, 'tr').map((row) =>
    row.children.map((cell) => (typeof cell === 'string' ? '' : readText(cell))),
  );
};

test('tables show the numbers of the predictions, as the terminal does', () => {
  const [, ...rows] = table('layouts, the best first');
  for (const [i, { scenario, prediction }] of layouts.entries()) {
    expect(rows[i]!.slice(0, 3)).toEqual([
      `${i + 1}`,
      printLayout(scenario.layout),
      formatSeconds(prediction.stepSeconds),
    ]);
    expect(rows[i]).toContain(formatBytes(prediction.memory.total));
    expect(rows[i]).toContain(prediction.memory.total < 80e9 ? 'yes' : 'no');
  }
  expect(
    table('memory by part')
      .find(([part]) => part === 'activations')!
      .slice(1),
  ).toEqual(layouts.map(({ prediction: { memory } }) => formatBytes(memory.activations)));
  expect(table('time by cause').at(-1)!.slice(1)).toEqual(
    layouts.map(({ prediction: { stepSeconds } }) => formatSeconds(stepSeconds)),
  );
});

test('pictures are of the same numbers', () => {
  const boxes = elementsOf(page, 'rect').map(({ attributes }) => attributes);
  const valuesOf = (part: string) =>
    boxes.filter((box) => box['data-part'] === part).map((box) => Number(box['data-value']));
  expect(valuesOf('activations')).toEqual(layouts.map(({ prediction: { memory } }) => memory.activations));
  expect(valuesOf('compute')).toEqual(layouts.map(({ prediction: { time } }) => time.compute));
  const works = boxes.flatMap((box) =>
    'data-start' in box ? [[Number(box['data-start']), Number(box['data-end'])]] : [],
  );
  expect(works).toEqual(played.spans.filter(({ action }) => !isMessage(action)).map(({ start, end }) => [start, end]));
  const dots = elementsOf(page, 'circle').map(({ attributes }) => [
    Number(attributes['data-x']),
    Number(attributes['data-y']),
  ]);
  for (const { devices, strong } of curve) expect(dots).toContainEqual([devices, strong.speedup]);
  for (const { memoryBytes, stepSeconds } of considered.filter((each) => each.memoryBytes < 80e9))
    expect(dots).toContainEqual([stepSeconds, memoryBytes]);
});

test('the quantities of the page are the predictions, to the last digit', () => {
  const values = elementsOf(page, 'data').map(({ attributes }) => Number(attributes.value));
  for (const { prediction } of layouts)
    for (const value of [prediction.stepSeconds, prediction.mfu, prediction.memory.total, prediction.time.bubble])
      expect(values).toContain(value);
});

test('those who do not see it are told of every picture, table and region', () => {
  for (const { attributes } of elementsOf(page, 'svg'))
    expect(attributes['aria-hidden'] ?? attributes['aria-label']).toBeTruthy();
  for (const each of elementsOf(page, 'table')) expect(elementsOf(each, 'th').length).toBeGreaterThan(0);
  for (const { attributes } of elementsOf(page, 'div'))
    if (attributes.class === 'wide') expect(attributes).toMatchObject({ role: 'region', tabindex: '0' });
});

test('names are text, whatever is in them', () => {
  const evil = `</title><script>alert("1")</script><img src=x onerror='alert(2)'>&amp;`;
  const { cluster } = first.scenario;
  const device = { ...cluster.device, title: evil, name: evil };
  const scenario = { ...first.scenario, cluster: { ...cluster, name: evil, device } };
  const read = readPage(
    writeReport({
      title: evil,
      asked: [[evil, evil]],
      because: evil,
      layouts: [{ ...first, scenario }],
      considered: considered.map((each) => ({ ...each, layout: evil })),
    }),
  );
  const names = elementsOf(read).map(({ name }) => name);
  expect(names).not.toContain('script');
  expect(names).not.toContain('img');
  expect(elementsOf(read, 'title').filter((each) => readText(each) === evil).length).toBe(1);
  expect(elementsOf(read, 'h1').map(readText)).toEqual([evil]);
  expect(elementsOf(read, 'dt').map(readText)).toContain(evil);
});

test('long pipelines are shown in part, and it is said', () => {
  const scenario = namedScenario({ layout: 'pp=32', cluster: '32xh100', globalBatch: 256 });
  const prediction = predictTraining(scenario, fittedCosts);
  const long = readPage(
    writeReport({
      title: '',
      asked: [],
      layouts: [{ scenario, prediction }],
      played: playTraining(scenario, fittedCosts),
    }),
  );
  const works = elementsOf(long, 'rect').filter(({ attributes }) => 'data-start' in attributes);
  expect(works.length).toBeLessThanOrEqual(2500);
  expect(elementsOf(long, 'p').map(readText).join('\n')).toMatch(/Shown: the first [\d.]+ m?s of [\d.]+ m?s\./);
});

test('the front: none holds more than there is, none is beaten in both', () => {
  const of = (stepSeconds: number, memoryBytes: number) => ({ layout: '', stepSeconds, memoryBytes });
  expect(paretoFront([of(3, 5), of(1, 20), of(2, 9), of(4, 5), of(2, 8), of(5, 1)], 10)).toEqual([
    of(2, 8),
    of(3, 5),
    of(5, 1),
  ]);
});

test('what is explained of the first layout: alternatives with their figures, rules with their reasons', () => {
  const predict = predictorOf(fittedCosts);
  const tried = [...alternatives(first, predict)];
  const rules = judgeRules(trainingRules, { ...first, predict });
  const explained = readPage(writeReport({ ...report, alternatives: tried, rules: [...rules, foreign] }));
  const rows = elementsOf(explained, 'table').flatMap((each) => elementsOf(each, 'tr').map(readText));
  for (const each of tried) {
    const row = rows.find((cells) => cells.startsWith(each.changed))!;
    if ('problem' in each) expect(row).toContain(each.problem);
    else if (each.missingBytes > 0) expect(row).toContain(`${formatBytes(each.missingBytes)} too much`);
  }
  const told = readText(explained);
  for (const { rule, because } of rules) expect(told).toContain(`${rule}${because}`);
  expect(told).toContain(foreign.because);
  expect(elementsOf(explained, 'script')).toEqual([]);
});

const foreign = { rule: 'any', follows: false, because: '<script>alert(1)</script>' };
