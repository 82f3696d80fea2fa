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
  evaluationInterval: number;
  logLevel: string;
}

export type FromThread = { kind: 'counts'; counts: EvaluationCounts } | { kind: 'stopped' };

export interface Evaluation {
  stop(): Promise<void>;
}

const RESTART_MS = 1_000;
const STOP_MS = 10_000;

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
  return { stop: () => context.worker.stop() };
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

  return {
    async stop() {
      stopping = true;
      thread.postMessage('stop');
      const timer = setTimeout(() => void thread.terminate(), STOP_MS);
      await exited;
      clearTimeout(timer);
    },
  };
}
