// What the SDK's tests share: a real server, storages that count and refuse, and a network that fails on command.

import { CLIENT_ID, type TestServer } from '../../../server/src/testing/server.ts';

export { deviceStorage } from './device.ts';
export {
  ADMIN_TOKEN,
  CLIENT_ID,
  CLIENT_SECRET,
  startTestServer,
  type TestServer,
  type TestServerOptions,
} from '../../../server/src/testing/server.ts';

/** How many profiles the application has. */
export async function countProfiles(server: TestServer): Promise<number> {
  return (await server.call<{ count: number }>('GET', `applications/${CLIENT_ID}/profiles/?page_size=1`)).body.count;
}

export interface FaultyFetch {
  fetch: typeof globalThis.fetch;
  /** Of each request that was made: method and path. */
  calls: string[];
  /** The next requests meet this fault, one each. */
  faults: Fault[];
}

/** `lost-request` never reaches the server, `lost-answer` does but its answer is lost, a number is a status of a proxy. */
export type Fault = 'lost-request' | 'lost-answer' | 'stall' | number | Response | null;

export function faultyFetch(faults: Fault[] = []): FaultyFetch {
  const calls: string[] = [];
  return {
    calls,
    faults,
    async fetch(input, init) {
      const url = String(input);
      calls.push(`${init?.method ?? 'GET'} ${url.slice(url.indexOf('/api/v1/') + 8)}`);
      const fault = faults.shift() ?? null;
      if (fault === 'lost-request') throw new TypeError('fetch failed');
      if (fault === 'stall') {
        return new Promise((_, reject) => {
          init?.signal?.addEventListener('abort', () => reject(init.signal?.reason as Error));
        });
      }
      if (typeof fault === 'number') return new Response('<html>', { status: fault, headers: { 'retry-after': '0' } });
      if (fault instanceof Response) return fault;
      const response = await fetch(input, init);
      if (fault === 'lost-answer') throw new TypeError('fetch failed');
      return response;
    },
  };
}
