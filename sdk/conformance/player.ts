// Plays the server's part of the conformance cases, and judges both what a client sent and what came of its calls; so that
// each language only has to make the calls. README.md describes the cases and how a client is driven through them.

import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { mismatches, type Names } from './match.ts';

export interface ExpectedRequest {
  method: string;
  /** Below `/api/v1/`, with its query. */
  path: string;
  headers?: Record<string, string | null>;
  body?: unknown;
}

export interface Answer {
  status?: number;
  headers?: Record<string, string>;
  /** Sent as JSON. */
  body?: unknown;
  /** Sent as it is, instead of `body`. */
  text?: string;
  /** The data of server-sent events. */
  events?: unknown[];
  /** Milliseconds before anything is sent. */
  delay?: number;
  /** `request`: the connection ends with no answer. `body`: in the middle of it. `stall`: nothing is sent, and it stays. */
  cut?: 'request' | 'body' | 'stall';
}

export interface Exchange {
  request: ExpectedRequest;
  answer: Answer;
}

export interface Step {
  call: string;
  /** How often, all at once. Default 1. */
  times?: number;
  with?: Record<string, unknown>;
  outcome?: Record<string, unknown>;
}

export interface Case {
  name: string;
  why?: string;
  client?: Record<string, unknown>;
  storage?: 'works' | 'fails';
  steps: Step[];
  exchanges: Exchange[];
}

/** What a runner knows to call; README.md says what each takes and comes to. */
const CALLS = 'init update identify signOut track flush drops groups isMember watch restart'.split(' ');

interface Run {
  played: Case;
  next: number;
  names: Names;
  problems: string[];
  held: ServerResponse[];
}

/** Of all files of this folder, named `file: case`. */
export function readCases(): Case[] {
  const files = readdirSync(import.meta.dirname).filter((name) => name.endsWith('.json'));
  return files.flatMap((file) =>
    parseCases(file.replace('.json', ''), readFileSync(join(import.meta.dirname, file), 'utf8')),
  );
}

/** A call that no runner knows is a fault of the case: it would be passed over in some languages. */
export function parseCases(file: string, text: string): Case[] {
  const cases = (JSON.parse(text) as Case[]).map((one) => ({ ...one, name: `${file}: ${one.name}` }));
  for (const { name, steps } of cases)
    for (const { call } of steps)
      if (!CALLS.includes(call)) throw new Error(`'${name}' calls '${call}', which is none.`);
  return cases;
}

export interface Player {
  url: string;
  close(): Promise<void>;
}

export async function startPlayer(): Promise<Player> {
  const cases = readCases();
  const runs: Run[] = [];

  const control = async (request: IncomingMessage, response: ServerResponse, path: string): Promise<void> => {
    const body = await readBody(request);
    if (path === '/cases') return answerJson(response, cases);
    const played = cases.find(({ name }) => name === (body as { case?: string }).case);
    if (path !== '/runs' || !played) return answerJson(response, { problems: [`no ${path} of ${show(body)}`] }, 404);
    runs.push({ played, next: 0, names: new Map(), problems: [], held: [] });
    answerJson(response, { endpoint: `${url}/runs/${runs.length - 1}` });
  };

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const [, number, rest = ''] = /^\/runs\/(\d+)\/(.*)$/.exec(request.url ?? '') ?? [];
    const run = number === undefined ? undefined : runs[Number(number)];
    if (!run) return control(request, response, request.url ?? '');
    if (rest === 'outcomes') {
      const problems = judge(run, (await readBody(request)) as unknown[]);
      for (const held of run.held) held.destroy();
      return answerJson(response, { problems });
    }
    return play(run, request, response, rest.replace(/^api\/v1\//, ''));
  };

  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`; // listens on TCP
  return {
    url,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function play(run: Run, request: IncomingMessage, response: ServerResponse, path: string): Promise<void> {
  const body = await readBody(request);
  const exchange = run.played.exchanges[run.next++];
  const at = `request ${run.next}`;
  if (!exchange) {
    run.problems.push(`${at}: ${request.method} ${path} was not expected: ${show(body)}`);
    return answerJson(response, { detail: 'This request was not expected.', error_code: 'not_expected' }, 418);
  }
  const actual = { method: request.method, path, headers: request.headers, body };
  run.problems.push(...mismatches(exchange.request, actual, run.names, at));
  await send(run, exchange.answer, response);
}

async function send(run: Run, answer: Answer, response: ServerResponse): Promise<void> {
  const { status = 200, headers = {}, delay = 0, cut } = answer;
  if (delay > 0) await new Promise((resolve) => setTimeout(resolve, delay));
  if (cut === 'request') return void response.destroy();
  if (cut === 'stall') return void run.held.push(response);
  // One request a connection: a client that finds a pooled one dead may send again by itself, which is not what is asked here.
  // Not of streams: their end would be taken for a good one.
  const head = { ...(!answer.events && { connection: 'close' }), 'x-request-id': 'request-id-1', ...headers };
  if (answer.events) {
    response.writeHead(status, { 'content-type': 'text/event-stream', ...head });
    for (const event of answer.events) response.write(`:\n\ndata: ${JSON.stringify(event)}\n\n`);
    run.held.push(response);
    if (cut === 'body') response.write(':\n\n', () => breakOff(response));
    return;
  }
  const text = answer.text ?? (answer.body === undefined ? '' : JSON.stringify(answer.body));
  const bytes = Buffer.from(text);
  response.writeHead(status, {
    'content-type': answer.text === undefined ? 'application/json' : 'text/html',
    'content-length': bytes.length,
    ...head,
  });
  if (cut !== 'body') return void response.end(bytes);
  response.write(bytes.subarray(0, bytes.length >> 1), () => breakOff(response));
}

/** Ends the connection before its answer: what was written before arrives, which it would not after a reset. */
const breakOff = (response: ServerResponse): void => void response.socket?.end();

function judge(run: Run, outcomes: unknown[]): string[] {
  const { steps, exchanges } = run.played;
  const problems = [...run.problems];
  steps.forEach((step, i) => {
    const expected = { error: null, ...step.outcome }; // where no failure is expected, there is none
    for (const outcome of (outcomes[i] as unknown[] | undefined) ?? ['no outcome'])
      problems.push(...mismatches(expected, outcome, run.names, `step ${i + 1}, ${step.call}`));
  });
  for (const { request } of exchanges.slice(run.next)) problems.push(`not asked: ${request.method} ${request.path}`);
  return problems;
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer); // no encoding was set
  const text = Buffer.concat(chunks).toString();
  return text === '' ? undefined : (JSON.parse(text) as unknown);
}

function answerJson(response: ServerResponse, body: unknown, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

const show = (value: unknown): string => JSON.stringify(value) ?? 'nothing';
