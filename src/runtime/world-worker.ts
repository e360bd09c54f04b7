// The worker thread that a rank runs on: prepares a rank module, runs it when told, and can do so again.
import { parentPort } from 'node:worker_threads';
import { learnTypeScript } from './learn-typescript.ts';
import { holdIn } from './onnx/holdings.ts';
import { releaseLeftOver } from './onnx/left-over.ts';
import { connectThreads } from './transport/threads/connect.ts';
import { abortKind, abortWorld, isAborted } from './transport/threads/world-state.ts';
import type { Transport } from './transport/transport.ts';
import { type FromWorker, failureOf, type RankFunction, type ToWorker } from './world-messages.ts';

const port = parentPort!;
const say = (message: FromWorker): void => port.postMessage(message);

type Go = Extract<ToWorker, { kind: 'go' }>;

let rankFunction: RankFunction | undefined;

async function prepare(url: string): Promise<void> {
  try {
    await learnTypeScript(url);
    const module: { readonly rank?: unknown } = await import(url);
    if (typeof module.rank !== 'function') throw new Error(`${url} exports no function "rank"`);
    rankFunction = module.rank as RankFunction;
    say({ kind: 'ready' });
  } catch (error) {
    say({ kind: 'failed', failure: failureOf(error, false) });
  }
}

function sayFailed(error: unknown, secondary: boolean): void {
  const failure = failureOf(error, secondary);
  try {
    say({ kind: 'failed', failure });
  } catch {
    // The error's values cannot be cloned; its text can.
    say({ kind: 'failed', failure: { ...failure, known: undefined } });
  }
}

async function run({ shared, rank, job, holdings }: Go): Promise<void> {
  let transport: Transport | undefined;
  holdIn(holdings);
  try {
    transport = connectThreads(shared, rank);
    const value = await rankFunction!(transport, job, (message) => say({ kind: 'report', message }));
    transport.close();
    await releaseLeftOver(holdings);
    say({ kind: 'done', value });
  } catch (error) {
    const secondary = isAborted(shared);
    abortWorld(shared, abortKind.rankFailed, rank);
    transport?.close();
    await releaseLeftOver(holdings);
    sayFailed(error, secondary);
  }
}

port.on('message', (message: ToWorker) => {
  if (message.kind === 'prepare') void prepare(message.module);
  else void run(message);
});
