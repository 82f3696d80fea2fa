// LiveLike's REST API, read: lists page by page, the next page while the present one is worked on. What fails for now is
// asked for again. Another Grandstand speaks the same way.

import { setTimeout as wait } from 'node:timers/promises';
import { ConfigError } from '../../config.ts';
import { readRetryAfter } from '../../retry-after.ts';
import { isRecord } from '../../rules/fields.ts';

export interface LiveLikeSource {
  /** Address and client id. */
  name: string;
  /** Undefined: 404. `path` is relative to the API's root. */
  get(path: string): Promise<Record<string, unknown> | undefined>;
  /** From the beginning, or from the `next` of an earlier page. */
  pages(path: string, from?: string | null): AsyncGenerator<SourcePage>;
}

export interface SourcePage {
  results: Record<string, unknown>[];
  /** Of the whole list, where it is told. */
  count: number | null;
  /** The query of the next page. */
  next: string | null;
}

export interface SourceOptions {
  endpoint: string;
  clientId: string;
  token: string;
}

/** The source answered, and this is no answer to go on with. */
export class SourceError extends ConfigError {
  readonly status: number;
  constructor(message: string, status: number) {
    super(message);
    this.status = status;
  }
}

const TIMEOUT_MS = 60_000;
const ATTEMPTS = 8;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 60_000;
/** Nobody is asked without a rest. */
const LEAST_ASKED_MS = 100;
/** Who says for how long to wait is obeyed, up to here. */
const LONGEST_ASKED_MS = 3_600_000;

export function openSource({ endpoint, clientId, token }: SourceOptions): LiveLikeSource {
  const root = readEndpoint(endpoint);
  let resumesAt = -Infinity;

  const get = async (path: string): Promise<Record<string, unknown> | undefined> => {
    const url = new URL(path, root);
    for (let attempt = 1; ;) {
      if (resumesAt > performance.now()) await wait(resumesAt - performance.now());
      const { answer, problem, isPassing, waitMs } = await ask(url, token);
      if (answer !== undefined) return answer === null ? undefined : answer;
      if (!isPassing || attempt >= ATTEMPTS) throw problem;
      // What asks for less is no failure, and holds for all that is asked.
      if (waitMs !== undefined) resumesAt = performance.now() + waitMs;
      else await wait(Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (attempt++ - 1)));
    }
  };

  const getPage = async (path: string): Promise<SourcePage> => {
    const body = await get(path);
    const { results, count, next } = body ?? {};
    if (!Array.isArray(results))
      throw new SourceError(`${new URL(path, root).href} answers with no list.`, body ? 200 : 404);
    return {
      results: results.filter(isRecord),
      count: typeof count === 'number' ? count : null,
      // Its query alone: an address that an answer names is not sent the token.
      next: typeof next === 'string' ? new URL(next, root).search : null,
    };
  };

  return {
    name: `${root.href} ${clientId}`,
    get,
    async *pages(path, from = null) {
      const [place = '', query = ''] = path.split('?');
      let page = await getPage(from === null ? `${place}?${query}` : `${place}${from}`);
      for (;;) {
        const following = page.next === null ? undefined : getPage(`${place}${page.next}`);
        following?.catch(() => {}); // it is awaited below
        yield page;
        if (!following) return;
        page = await following;
      }
    },
  };
}

/** `https://host`, or with the path of the API. */
function readEndpoint(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || (url.protocol !== 'https:' && url.protocol !== 'http:'))
    throw new ConfigError(
      `--endpoint: must be an address such as https://cf-blast.livelikecdn.com/api/v1/, not "${text}".`,
    );
  const path = url.pathname.replace(/\/+$/, '');
  url.pathname = path === '' ? '/api/v1/' : `${path}/`;
  url.search = '';
  url.hash = '';
  return url;
}

interface Asked {
  /** Null: 404. */
  answer?: Record<string, unknown> | null;
  problem?: Error;
  isPassing?: boolean;
  waitMs?: number;
}

async function ask(url: URL, token: string): Promise<Asked> {
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, {
      headers: { authorization: `Bearer ${token}`, accept: 'application/json' },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    text = await response.text();
  } catch (error) {
    const { cause } = error as Error; // fetch fails with errors
    const why = cause instanceof Error ? cause.message : String(error);
    return { isPassing: true, problem: new SourceError(`${url.origin} cannot be reached: ${why}`, 0) };
  }
  const { status } = response;
  if (status === 404) return { answer: null };
  const body = readObject(text);
  if (status === 200 && body) return { answer: body };
  const said = typeof body?.['detail'] === 'string' ? `: ${body['detail'].slice(0, 300)}` : '';
  const problem = new SourceError(
    `${url.href} answers ${status}${status === 200 ? ', and no JSON object' : said}.`,
    status,
  );
  if (status !== 429 && status < 500) return { problem };
  const asked =
    status === 429 || status === 503 ? readRetryAfter(response.headers.get('retry-after'), Date.now()) : undefined;
  const waitMs = asked === undefined ? undefined : Math.min(LONGEST_ASKED_MS, Math.max(LEAST_ASKED_MS, asked));
  return { problem, isPassing: true, ...(waitMs !== undefined && { waitMs }) };
}

function readObject(text: string): Record<string, unknown> | undefined {
  try {
    const value = JSON.parse(text) as unknown;
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
