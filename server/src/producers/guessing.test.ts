import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sql } from '../database/database.ts';
import { startTestServer, testClock, type Answer, type TestServer } from '../testing/server.ts';
import { guessing, remember, type Guessing } from './guessing.ts';

const SECOND = 1_000_000;
const DAY = 86_400 * SECOND;
const HOME = '198.51.100.7';
const PASSWORD = 'correct horse battery';

const clock = testClock();
let server: TestServer;
let guesses: Guessing;
beforeAll(async () => {
  server = await startTestServer({ clock, env: { TRUST_PROXY: '1', RATE_LIMIT_ADDRESS: '100000' } });
  guesses = guessing(server.app.context);
});
afterAll(() => server.close());

let made = 0;
/** Somebody who signed in once, from home. */
async function createPerson(): Promise<{ id: string; email: string; device: string }> {
  const { context } = server.app;
  const id = crypto.randomUUID();
  const email = `person-${++made}@example.com`;
  await context.db.query(sql`
    insert into producers (id, email, name, password_hash, created_at, updated_at, sessions_valid_after)
    values (${id}, ${email}, 'P', null, '2026-01-01', '2026-01-01', '-infinity')`);
  return { id, email, device: await remember(context, id, { address: HOME, device: undefined }) };
}

/** Whether an attempt may look at the password. */
const may = (email: string, address: string, device?: string): Promise<boolean> =>
  guesses.signIn(email, { address, device }).then(
    () => true,
    (error: unknown) => {
      expect(error).toMatchObject({ code: 'throttled', headers: { 'retry-after': expect.any(String) as string } });
      return false;
    },
  );
const five = async (attempt: () => Promise<boolean>): Promise<boolean[]> => {
  const seen = [];
  for (let n = 0; n < 6; n++) seen.push(await attempt());
  return seen;
};
const THEN_NOT = [true, true, true, true, true, false];

describe('over HTTP', () => {
  interface Signed {
    cookies: string;
    csrf: string;
  }
  const read = (answer: Answer<{ csrf_token: string }>): Signed => ({
    cookies: answer.headers
      .getSetCookie()
      .map((cookie) => cookie.split(';')[0])
      .join('; '),
    csrf: answer.body.csrf_token,
  });
  const signIn = (email: string, password: string, from: string, cookies = '') =>
    server.call<{ csrf_token: string }>('POST', 'producers/sessions/', {
      token: null,
      headers: { 'x-forwarded-for': from, ...(cookies !== '' && { cookie: cookies }) },
      body: { email, password },
    });
  const changePassword = ({ cookies, csrf }: Signed, current: string, next: string) =>
    server.call<{ csrf_token: string }>('POST', 'producers/password/', {
      token: null,
      headers: { cookie: cookies, 'x-csrf-token': csrf, 'x-forwarded-for': '203.0.113.50' },
      body: { current_password: current, password: next },
    });

  it('a producer who is attacked signs in from a known device, and changes the password in a live session', async () => {
    const email = 'owner@example.com';
    const accepted = await server.call<{ csrf_token: string }>('POST', 'producers/invitations/accept/', {
      token: null,
      headers: { 'x-forwarded-for': HOME },
      body: { token: server.app.firstOwnerToken, email, name: 'O', password: PASSWORD },
    });
    expect(accepted.status).toBe(201);
    const device = accepted.headers.getSetCookie().find((cookie) => cookie.startsWith('grandstand_device'));
    expect(device).toMatch(/^grandstand_device=\w{43}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=7776000$/);
    const signed = read(accepted);
    const [kept = ''] = (device ?? '').split(';');
    // The device alone opens nothing.
    expect((await server.call('GET', 'session/', { token: null, headers: { cookie: kept } })).status).toBe(401);

    for (let n = 0; n < 50; n++) await may(email, `6.6.${n}.6`);
    expect((await signIn(email, PASSWORD, '203.0.113.99')).status).toBe(429);
    const again = await signIn(email, PASSWORD, '203.0.113.99', kept);
    expect(again.status).toBe(201);
    expect(again.headers.getSetCookie()).toContainEqual(expect.stringMatching(`^${kept}; `));

    const changed = await changePassword(signed, PASSWORD, 'another horse battery');
    expect(changed.status).toBe(200);
    expect((await signIn(email, 'another horse battery', '203.0.113.98', kept)).status).toBe(201);
    const { rows } = await server.app.context.db.query<{ n: number }>(sql`
      select count(*) as n from producer_devices d join producers p on p.id = d.producer_id where p.email = ${email}`);
    expect(rows[0]?.n).toBe(1);
  });
});

describe('guesses at a password', () => {
  it('lock the address that they come from, and nobody who is known', async () => {
    const { email, device } = await createPerson();
    expect(await five(() => may(email, '6.6.6.6'))).toEqual(THEN_NOT);
    expect(await may(email, HOME)).toBe(true);
    expect(await may(email, '203.0.113.99', device)).toBe(true);
    expect(await may(email, '6.6.6.6', device)).toBe(true);
    expect(await may(email, '203.0.113.99')).toBe(true);
    clock.advance(61 * SECOND);
    expect(await may(email, '6.6.6.6')).toBe(true);
    expect(await may(email, '6.6.6.6')).toBe(false);
  });

  it('from a thousand addresses lock out strangers together, and nobody who is known', async () => {
    const { email, device } = await createPerson();
    const seen = [];
    for (let n = 0; n < 60; n++) seen.push(await may(email, `6.6.${n}.6`));
    expect(seen.filter(Boolean)).toHaveLength(50);
    expect(await may(email, '203.0.113.99')).toBe(false);
    expect(await may(email, HOME)).toBe(true);
    expect(await may(email, '203.0.113.99', device)).toBe(true);
    // The same of an e-mail address that nobody has.
    const nobody = [];
    for (let n = 0; n < 60; n++) nobody.push(await may('nobody@example.com', `6.6.${n}.6`));
    expect(nobody).toEqual(seen);
  });

  it('from a known device or address lock that one alone, for longer each time, up to a quarter of an hour', async () => {
    const { id, email, device } = await createPerson();
    const second = await remember(server.app.context, id, { address: '203.0.113.1', device: undefined });
    expect(await five(() => may(email, HOME, device))).toEqual(THEN_NOT);
    expect(await may(email, HOME, second)).toBe(true);
    expect(await five(() => may(email, HOME))).toEqual(THEN_NOT);
    for (const minutes of [1, 2, 4, 8, 15, 15]) {
      clock.advance((minutes * 60 - 1) * SECOND);
      expect(await may(email, HOME, device), `${minutes}`).toBe(false);
      clock.advance(2 * SECOND);
      expect(await may(email, HOME, device), `${minutes}`).toBe(true);
    }
    clock.advance(3601 * SECOND);
    expect(await five(() => may(email, HOME, device))).toEqual(THEN_NOT);
  });

  it('with the device of somebody else, or one that was not used for long, are a stranger’s', async () => {
    const [one, other] = [await createPerson(), await createPerson()];
    for (let n = 0; n < 50; n++) await may(one.email, `6.6.${n}.6`);
    expect(await may(one.email, '203.0.113.99', other.device)).toBe(false);
    expect(await may(one.email, '203.0.113.99', 'made up')).toBe(false);
    clock.advance(91 * DAY);
    for (let n = 0; n < 50; n++) await may(one.email, `6.6.${n}.6`);
    expect(await may(one.email, '203.0.113.99', one.device)).toBe(false);
    expect(await may(one.email, HOME)).toBe(false);
  });

  it('at many accounts from one address are slowed down, and a known device at that address is not', async () => {
    const { email, device } = await createPerson();
    clock.advance(61 * SECOND);
    const seen = [];
    for (let n = 0; n < 22; n++) seen.push(await may(`spray-${n}@example.com`, HOME));
    expect(seen).toEqual([...Array<boolean>(20).fill(true), false, false]);
    expect(await may(email, HOME)).toBe(false);
    expect(await may(email, HOME, device)).toBe(true);
    clock.advance(61 * SECOND);
  });

  it('leave few rows behind: what is a day old goes', async () => {
    const count = async () =>
      (await server.app.context.db.query<{ n: number }>(sql`select count(*) as n from sign_in_attempts`)).rows[0]?.n;
    clock.advance(2 * DAY);
    for (let n = 0; n < 60; n++) await may(`rows-${n}@example.com`, `7.7.${n}.7`);
    expect(await count()).toBeLessThanOrEqual(120);
  });

  it('many at once do not slip through together', async () => {
    const { email, device } = await createPerson();
    const seen = await Promise.all(Array.from({ length: 30 }, () => may(email, HOME, device)));
    expect(seen.filter(Boolean)).toHaveLength(5);
  });

  it('in a live session lock that session alone', async () => {
    const allowed = (id: string): Promise<boolean> =>
      guesses.inSession(id).then(
        () => true,
        () => false,
      );
    const live = await guesses.inSession('one');
    expect(await five(() => allowed('one'))).toEqual([true, true, true, true, false, false]);
    expect(await allowed('two')).toBe(true);
    await live.succeeded();
    expect(await allowed('one')).toBe(true);
  });
});
