// Where the evaluation runs: beside HTTP in a thread of its own, so that requests keep their latency, or in the process
// itself where that serves nothing else. A thread that dies is replaced; its leases run out by themselves.

import { Worker as Thread } from 'node:worker_threads';
import type { Logger } from 'pino';
import type { Clock } from '../clock.ts';
import type { Database } from '../database/database.ts';
import type { EvaluationCounts, EvaluationMeters } from './meters.ts';
import type { Worker } from './worker.ts';

export interface ThreadData {
  databaseUrl: string;
  isDistributed: boolean;
  isPooled: boolean;
  evaluationInterval: number;
  logLevel: string;
}

export type ToThread = 'wake' | 'stop';
export type FromThread = { kind: 'counts'; counts: EvaluationCounts } | { kind: 'stopped' };

export interface Evaluation {
  /** Something was committed that may concern it. Cheap, may be called after every request. */
  wake(): void;
  stop(): Promise<void>;
}

const RESTART_MS = 1_000;
const STOP_MS = 10_000;
/** Between two calls that wake it: under load it looks by itself as often. */
const WAKE_EVERY_MS = 25;

/** From source there is no file that a thread could load without a compiler, so the process itself does it. */
const isCompiled = import.meta.url.endsWith('.js');

export interface EvaluationContext {
  db: Database;
  clock: Clock;
  log: Logger;
  role: 'all' | 'worker';
  worker: Worker;
  meters: EvaluationMeters;
  data: ThreadData;
}

export function startEvaluation(context: EvaluationContext): Evaluation {
  if (context.role === 'all' && isCompiled) return startThread(context);
  context.worker.start();
  const { wake, stop } = context.worker;
  return { wake: seldom(wake), stop };
}

/** Calls it at once, but not again within the interval: then once more at its end. */
function seldom(call: () => void): () => void {
  let calledAt = -Infinity;
  let timer: NodeJS.Timeout | undefined;
  const go = (): void => {
    timer = undefined;
    calledAt = performance.now();
    call();
  };
  return () => {
    if (timer) return;
    const wait = calledAt + WAKE_EVERY_MS - performance.now();
    if (wait <= 0) go();
    else timer = setTimeout(go, wait).unref();
  };
}

function startThread({ log, meters, data }: EvaluationContext): Evaluation {
  let stopping = false;
  let thread: Thread;
  let exited: Promise<void>;

  const begin = (): void => {
    // A nursery of V8's default size would stay reserved while nothing happens.
    const resourceLimits = { maxYoungGenerationSizeMb: 12 };
    thread = new Thread(new URL('./thread-main.js', import.meta.url), { workerData: data, resourceLimits });
    thread.on('message', (message: FromThread) => {
      if (message.kind === 'counts') meters.add(message.counts);
    });
    thread.on('error', (error) => log.error({ err: error }, 'the evaluation broke'));
    exited = new Promise((resolve) => {
      thread.once('exit', () => {
        resolve();
        if (!stopping) setTimeout(() => stopping || begin(), RESTART_MS);
      });
    });
  };
  begin();
  const tell = (message: ToThread): void => thread.postMessage(message);

  return {
    wake: seldom(() => tell('wake')),
    async stop() {
      stopping = true;
      tell('stop');
      const timer = setTimeout(() => void thread.terminate().catch(() => {}), STOP_MS);
      await exited;
      clearTimeout(timer);
    },
  };
}
