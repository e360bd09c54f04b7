// Fits what is the engines' own in serving (src/plan/serving/engine-times.ts) to measured rows, half of which are held out, and shows errors.
//   npx tsx tools/fit-serving.ts <folder of tables> [--skew] [--fit] [<engine>..] [--rows]
import { writeFileSync } from 'node:fs';
import { engineTimes, routingSkew } from '../src/plan/serving/engine-times.ts';
import { engineNames } from '../src/plan/serving/engines.ts';
import { servingPredictor } from '../src/plan/serving/predict-serving.ts';
import { costsOf, type Fitted, fitEngine, fitSkew } from './serving/fit.ts';
import { judge, readMeasured } from './serving/judged.ts';
import { report, reportRows } from './serving/report.ts';

const [folder, ...flags] = process.argv.slice(2);
if (folder === undefined) {
  console.error('give the folder of the tables');
  process.exit(2);
}
const measured = readMeasured(folder);
let fitted: Fitted = { engineTimes, routingSkew };
if (flags.includes('--skew')) fitted = fitSkew(measured, fitted);
if (flags.includes('--fit')) {
  const named = engineNames.filter((name) => flags.includes(name));
  for (const engine of named.length > 0 ? named : engineNames) fitted = fitEngine(measured, engine, fitted);
  const text = `// Written by tools/fit-serving.ts; engines.ts says what the numbers are.
import type { EngineName, EngineTimes } from './engines.ts';

export const engineTimes: Readonly<Record<EngineName, EngineTimes>> = ${JSON.stringify(fitted.engineTimes, undefined, 2)};

/** How unequally experts are liked (used-experts.ts). */
export const routingSkew = ${fitted.routingSkew};
`;
  writeFileSync(new URL('../src/plan/serving/engine-times.ts', import.meta.url), text);
}
const predict = servingPredictor(costsOf(fitted));
const judged = measured.map((each) => judge(each, predict(each.scenario)));
report(judged);
if (flags.includes('--rows')) reportRows(judged);
