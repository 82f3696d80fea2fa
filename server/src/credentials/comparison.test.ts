// How secrets are compared. A measurement over HTTP cannot tell nanoseconds, so this looks at the structure: opaque tokens are
// looked up by their hash and never compared, signatures are compared by node's constant-time function.

import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

const compared = vi.hoisted(() => {
  const calls: [number, number][] = [];
  // Before anything loads that takes the function with it.
  const crypto = process.getBuiltinModule('node:crypto');
  const real = crypto.timingSafeEqual;
  crypto.timingSafeEqual = (a, b) => {
    calls.push([a.byteLength, b.byteLength]);
    return real(a, b);
  };
  process.getBuiltinModule('node:module').syncBuiltinESMExports();
  return calls;
});

import { sql } from '../database/database.ts';
import { ADMIN_TOKEN, CLIENT_ID, startTestServer, type TestServer } from '../testing/server.ts';
import { sameText } from '../secrets.ts';
import { signClientToken } from './testing.ts';

describe('secrets', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer();
  });
  afterAll(() => server.close());
  const use = (token: string) => server.call('GET', `applications/${CLIENT_ID}/profile/`, { token });

  it('that are opaque tokens reach the database only as a hash, so that nothing compares their characters', async () => {
    const { db } = server.app.context;
    const values: unknown[] = [];
    const { quick, query } = db;
    db.quick = (statement) => (values.push(...statement.values), quick(statement));
    db.query = (statement) => (values.push(...statement.values), query(statement));
    try {
      for (const token of [ADMIN_TOKEN, `${ADMIN_TOKEN.slice(0, -1)}x`, 'wrong']) {
        values.length = 0;
        await server.call('GET', `applications/${CLIENT_ID}/access-tokens/`, { token });
        const hash = createHash('sha256').update(token).digest();
        expect(values.some((value) => Buffer.isBuffer(value) && value.equals(hash))).toBe(true);
        expect(JSON.stringify(values)).not.toContain(token);
      }
    } finally {
      db.quick = quick;
      db.query = query;
    }
  });

  it('that are signatures are compared in constant time, all 32 bytes, wherever they differ', async () => {
    const made = await server.call<{ access_token: string }>('POST', `applications/${CLIENT_ID}/profile/`);
    const own = made.body.access_token;
    const signed = await signClientToken(server.app.context.clock.now(), { custom_profile_id: 'timed' });
    for (const token of [own, signed]) {
      const start = token.lastIndexOf('.') + 1;
      for (const at of [start, start + 20, token.length - 2]) {
        compared.length = 0;
        const wrong = `${token.slice(0, at)}${token[at] === 'A' ? 'B' : 'A'}${token.slice(at + 1)}`;
        expect((await use(wrong)).status).toBe(401);
        expect(compared.length).toBeGreaterThan(0);
        expect(compared).toEqual(compared.map(() => [32, 32]));
      }
      compared.length = 0;
      expect((await use(token)).status).toBe(200);
      expect(compared).toEqual([[32, 32]]);
    }
  });

  it('that are texts are compared by hashes of one length, so that not even their lengths show', () => {
    for (const [a, b] of [
      ['secret', 'secret'],
      ['secret', 's'],
      ['', 'x'.repeat(1000)],
    ] as const) {
      compared.length = 0;
      expect(sameText(a, b)).toBe(a === b);
      expect(compared).toEqual([[32, 32]]);
    }
  });

  it('are nowhere in the database in the clear', async () => {
    const { db } = server.app.context;
    const { rows } = await db.query<{ secret: string }>(
      sql`select encode(client_secret, 'escape') as secret from applications`,
    );
    expect(rows.length).toBeGreaterThan(0);
    expect(JSON.stringify(rows)).not.toContain('a-client-secret');
  });
});
