import { afterAll, beforeAll, expect, test } from 'vitest';
import { createApplication } from '../applications/application-service.ts';
import { sql } from '../database/database.ts';
import { createTestDatabase } from '../testing/database.ts';
import { CLIENT_ID, startTestServer, testClock, type Answer, type TestServer } from '../testing/server.ts';
import { inviteFirstOwner } from './producer-service.ts';
import { INVITATION_LIFETIME } from './producer.ts';

const clock = testClock();
let server: TestServer;
let other: string;

beforeAll(async () => {
  server = await startTestServer({ clock });
  other = (await createApplication(server.app.context, { clientId: 'other-app', name: 'Other' })).application.client_id;
});
afterAll(() => server.close());

interface Signed {
  cookie: string;
  csrf: string;
}

const PASSWORD = 'correct horse battery';

function sessionOf(answer: Answer<{ csrf_token: string }>): Signed {
  const cookie = answer.headers.getSetCookie()[0]?.split(';')[0] ?? '';
  return { cookie, csrf: answer.body.csrf_token };
}

/** A request as a browser that is signed in sends it. */
function as<T = Record<string, unknown>>(
  who: Signed,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
) {
  return server.call<T>(method, path, {
    token: null,
    headers: { cookie: who.cookie, 'x-csrf-token': who.csrf, ...headers },
    ...(body !== undefined && { body }),
  });
}

async function signIn(email: string, password = PASSWORD): Promise<Answer<{ csrf_token: string }>> {
  return server.call('POST', 'producers/sessions/', { token: null, body: { email, password } });
}

let first: Promise<Signed> | undefined;
function firstOwner(): Promise<Signed> {
  first ??= (async () => {
    const token = server.app.firstOwnerToken ?? '';
    const body = { token, email: 'Owner@Example.com', name: 'Olga Owner', password: PASSWORD };
    const answer = await server.call<{ csrf_token: string }>('POST', 'producers/invitations/accept/', {
      token: null,
      body,
    });
    expect(answer.status).toBe(201);
    return sessionOf(answer);
  })();
  return first;
}

async function join(email: string, role: string, application = CLIENT_ID): Promise<Signed> {
  const invited = await as<{ link: string }>(
    await firstOwner(),
    'POST',
    `applications/${application}/producers/invitations/`,
    { email, role },
  );
  expect(invited.status).toBe(201);
  const token = new URL(invited.body.link).hash.slice(1);
  const answer = await server.call<{ csrf_token: string }>('POST', 'producers/invitations/accept/', {
    token: null,
    body: { token, name: email, password: PASSWORD },
  });
  expect(answer.status).toBe(201);
  return sessionOf(answer);
}

test('the first link makes one owner of every application, and never a second one', async () => {
  const owner = await firstOwner();
  const session = await as<{ applications: { client_id: string; role: string }[]; email: string }>(
    owner,
    'GET',
    'session/',
  );
  expect(session.body.email).toBe('owner@example.com');
  expect(session.body.applications).toEqual([
    { client_id: CLIENT_ID, name: CLIENT_ID, role: 'owner' },
    { client_id: other, name: 'Other', role: 'owner' },
  ]);
  const body = { token: server.app.firstOwnerToken, email: 'second@example.com', name: 'Second', password: PASSWORD };
  expect((await server.call('POST', 'producers/invitations/accept/', { token: null, body })).status).toBe(404);
});

test('servers that start at the same instant give one link, as does the next, until it is too old', async () => {
  const own = testClock();
  const empty = await createTestDatabase();
  const servers = await Promise.all(
    Array.from({ length: 3 }, () => startTestServer({ clock: own, databaseUrl: empty.url })),
  );
  try {
    const [token] = servers.map(({ app }) => app.firstOwnerToken);
    expect(token).toMatch(/^\w{43,}$/);
    servers.push(await startTestServer({ clock: own, databaseUrl: empty.url }));
    expect(servers.map(({ app }) => app.firstOwnerToken)).toEqual([token, token, token, token]);
    const links = (): Promise<{ count: number }> =>
      servers[0]?.app.context.db.query(sql`select from producer_invitations`) ?? Promise.reject(new Error('no server'));
    expect((await links()).count).toBe(1);

    own.advance(INVITATION_LIFETIME);
    const again = await Promise.all(
      servers.flatMap(({ app }) => [app, app, app]).map((app) => inviteFirstOwner(app.context)),
    );
    expect(again[0]).toMatch(/^\w{43,}$/);
    expect(new Set(again).size).toBe(1);
    expect(again[0]).not.toBe(token);
    expect((await links()).count).toBe(1);
  } finally {
    for (const server of servers) await server.close();
    await empty.drop();
  }
});

test('ten people who open the first link at once make one owner', async () => {
  const fresh = await startTestServer({ clock });
  try {
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, i) =>
        fresh.call('POST', 'producers/invitations/accept/', {
          token: null,
          body: { token: fresh.app.firstOwnerToken, email: `p${i}@example.com`, name: 'P', password: PASSWORD },
        }),
      ),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array.from({ length: 9 }, () => 404)]);
  } finally {
    await fresh.close();
  }
});

test('the cookie is HttpOnly and SameSite=Lax; over https it is Secure and bound to the host', async () => {
  await firstOwner();
  const plain = await signIn('owner@example.com');
  expect(plain.headers.getSetCookie()[0]).toMatch(
    /^grandstand_session=\w{43}; Path=\/; HttpOnly; SameSite=Lax; Max-Age=2592000$/,
  );
  const secure = await startTestServer({
    clock,
    databaseUrl: server.databaseUrl,
    env: { PUBLIC_URL: 'https://fans.example.com' },
  });
  try {
    const answer = await secure.call<{ csrf_token: string }>('POST', 'producers/sessions/', {
      token: null,
      body: { email: 'owner@example.com', password: PASSWORD },
    });
    expect(answer.headers.getSetCookie()[0]).toMatch(
      /^__Host-grandstand_session=\w{43}; Path=\/; HttpOnly; SameSite=Lax; Max-Age=2592000; Secure$/,
    );
    // A cookie without the prefix could have been planted over http.
    const { cookie } = sessionOf(plain);
    expect((await secure.call('GET', 'session/', { token: null, headers: { cookie } })).status).toBe(401);
  } finally {
    await secure.close();
  }
});

test('no unsafe request passes without the CSRF token of its own session', async () => {
  const owner = await firstOwner();
  const path = `applications/${CLIENT_ID}/access-tokens/`;
  const stranger = sessionOf(await signIn('owner@example.com'));
  for (const csrf of ['', 'wrong', stranger.csrf]) {
    expect((await as({ ...owner, csrf }, 'POST', path, { name: 'x' })).status).toBe(403);
    expect((await as({ ...owner, csrf }, 'DELETE', 'producers/sessions/')).status).toBe(403);
  }
  expect((await as({ ...owner, csrf: '' }, 'GET', path)).status).toBe(200);
  expect((await as(owner, 'POST', path, { name: 'x' })).status).toBe(201);
});

test('a stolen session is dead after signing out everywhere, and after a change of password', async () => {
  await join('thief-victim@example.com', 'editor');
  const stolen = sessionOf(await signIn('thief-victim@example.com'));
  const own = sessionOf(await signIn('thief-victim@example.com'));
  expect((await as(stolen, 'GET', 'session/')).status).toBe(200);
  expect((await as(own, 'DELETE', 'producers/sessions/')).status).toBe(204);
  for (const session of [stolen, own]) expect((await as(session, 'GET', 'session/')).status).toBe(401);

  const again = sessionOf(await signIn('thief-victim@example.com'));
  const stolenAgain = sessionOf(await signIn('thief-victim@example.com'));
  const changed = await as<{ csrf_token: string }>(again, 'POST', 'producers/password/', {
    current_password: PASSWORD,
    password: 'another long password',
  });
  expect(changed.status).toBe(200);
  for (const session of [stolenAgain, again]) expect((await as(session, 'GET', 'session/')).status).toBe(401);
  expect((await as(sessionOf(changed), 'GET', 'session/')).status).toBe(200);
  expect((await signIn('thief-victim@example.com')).status).toBe(401);
});

test('signing out ends this session and no other', async () => {
  await firstOwner();
  const one = sessionOf(await signIn('owner@example.com'));
  const two = sessionOf(await signIn('owner@example.com'));
  expect((await as(one, 'DELETE', 'producers/session/')).status).toBe(204);
  expect((await as(one, 'GET', 'session/')).status).toBe(401);
  expect((await as(two, 'GET', 'session/')).status).toBe(200);
});

test('a session ends after seven days without use, and after thirty days in any case', async () => {
  await firstOwner();
  const day = 86_400_000_000;
  const start = clock.now();
  const idle = sessionOf(await signIn('owner@example.com'));
  const used = sessionOf(await signIn('owner@example.com'));
  for (let passed = 6; passed < 30; passed += 6) {
    clock.set(start + passed * day);
    expect((await as(used, 'GET', 'session/')).status).toBe(200);
  }
  expect((await as(idle, 'GET', 'session/')).status).toBe(401);
  clock.set(start + 30 * day + 60_000_000);
  expect((await as(used, 'GET', 'session/')).status).toBe(401);
  first = Promise.resolve(sessionOf(await signIn('owner@example.com')));
});

test('a viewer reads and previews, and cannot write', async () => {
  const viewer = await join('viewer@example.com', 'viewer');
  const { body: profile } = await server.call<{ id: string }>('POST', `applications/${CLIENT_ID}/profile/`);
  expect((await as(viewer, 'GET', `applications/${CLIENT_ID}/profiles/`)).status).toBe(200);
  expect((await as(viewer, 'GET', `profiles/${profile.id}/`)).status).toBe(200);
  const writes: [string, string, unknown?][] = [
    ['POST', `profile-by-custom-id/${CLIENT_ID}/by-viewer/`, {}],
    ['POST', `applications/${CLIENT_ID}/profiles/bulk/`, { profiles: [{ custom_id: 'x' }] }],
    ['PATCH', `profiles/${profile.id}/`, { nickname: 'Mine' }],
    ['DELETE', `profiles/${profile.id}/`],
    ['POST', `profiles/${profile.id}/access-tokens/`, {}],
    ['DELETE', `profiles/${profile.id}/access-tokens/`],
  ];
  for (const [method, path, body] of writes)
    expect([method, path, (await as(viewer, method, path, body)).status]).toEqual([method, path, 403]);
  expect((await server.call('GET', `profiles/${profile.id}/`)).status).toBe(200);
});

test('an editor writes in their own application and sees nothing of another', async () => {
  const editor = await join('editor@example.com', 'editor', other);
  const { body: profile } = await server.call<{ id: string }>('POST', `applications/${CLIENT_ID}/profile/`);
  const session = await as<{ applications: { client_id: string }[] }>(editor, 'GET', 'session/');
  expect(session.body.applications.map((one) => one.client_id)).toEqual([other]);
  for (const path of ['profiles/', 'access-tokens/', 'client-secret/', 'producers/', `profiles/${profile.id}/`]) {
    const { status } = await as(editor, 'GET', `applications/${CLIENT_ID}/${path}`);
    expect([path, [403, 404].includes(status)]).toEqual([path, true]);
  }
  for (const method of ['GET', 'PATCH', 'DELETE']) {
    expect(
      (await as(editor, method, `profiles/${profile.id}/`, method === 'PATCH' ? { nickname: 'Mine' } : undefined))
        .status,
    ).toBe(404);
  }
  expect((await as(editor, 'GET', `profile-by-custom-id/${CLIENT_ID}/x/`)).status).toBe(403);
  expect((await as(editor, 'POST', `profile-by-custom-id/${other}/mine/`, {})).status).toBe(201);
  // What only owners may see.
  for (const path of ['client-secret/', 'access-tokens/', 'producers/']) {
    expect((await as(editor, 'GET', `applications/${other}/${path}`)).status).toBe(403);
  }
});

test('an owner sees the client secret; an admin token does not, and invites nobody', async () => {
  const owner = await firstOwner();
  expect((await as(owner, 'GET', `applications/${CLIENT_ID}/client-secret/`)).status).toBe(200);
  expect((await server.call('GET', `applications/${CLIENT_ID}/client-secret/`)).status).toBe(403);
  const invitation = await server.call('POST', `applications/${CLIENT_ID}/producers/invitations/`, {
    body: { email: 'x@example.com', role: 'owner' },
  });
  expect(invitation.status).toBe(403);
});

test('producers are listed by address in pages, with who is invited beside each', async () => {
  const owner = await firstOwner();
  await join('paged-1@example.com', 'viewer');
  await join('paged-2@example.com', 'editor');
  const path = `applications/${CLIENT_ID}/producers/`;
  await as(owner, 'POST', `${path}invitations/`, { email: 'invited@example.com', role: 'viewer' });
  interface Listed {
    count: number | null;
    next: string | null;
    previous: string | null;
    results: { email: string }[];
    invitations: { email: string }[];
  }
  const whole = (await as<Listed>(owner, 'GET', path)).body;
  expect(whole).toMatchObject({ count: whole.results.length, next: null, previous: null });
  const emails = whole.results.map(({ email }) => email);
  expect(emails).toEqual(expect.arrayContaining(['owner@example.com', 'paged-1@example.com', 'paged-2@example.com']));
  const seen: string[] = [];
  for (let next: string | null = `${path}?page_size=1`; next !== null;) {
    const { body }: { body: Listed } = await as<Listed>(owner, 'GET', next);
    expect(body.results).toHaveLength(1);
    expect(body.count).toBe(emails.length);
    expect(body.invitations.map(({ email }) => email)).toContain('invited@example.com');
    seen.push(...body.results.map(({ email }) => email));
    next = body.next;
  }
  expect(seen).toEqual(emails);
  expect((await as(owner, 'GET', `${path}?page_size=0`)).status).toBe(400);
});

test('an address is locked after five wrong passwords, the same whether or not somebody has it', async () => {
  await join('locked@example.com', 'viewer');
  for (const email of ['locked@example.com', 'nobody@example.com']) {
    const answers = [];
    for (let i = 0; i < 5; i++) answers.push(await signIn(email, `wrong password ${i}`));
    expect(answers.map(({ status }) => status)).toEqual([401, 401, 401, 401, 401]);
    expect(answers[0]?.body).toEqual({
      detail: 'E-mail address or password is wrong.',
      error_code: 'authentication_failed',
    });
    const locked = await signIn(email);
    expect(locked.status).toBe(429);
    expect(Number(locked.headers.get('retry-after'))).toBeGreaterThan(50);
  }
  clock.advance(61_000_000);
  expect((await signIn('locked@example.com', 'wrong again')).status).toBe(401);
  expect((await signIn('locked@example.com')).status).toBe(429);
  clock.advance(61_000_000);
  expect((await signIn('locked@example.com')).status).toBe(429); // twice as long now
  clock.advance(61_000_000);
  expect((await signIn('locked@example.com')).status).toBe(201);
});

test('forty guesses at once get no further than five', async () => {
  await join('flood@example.com', 'viewer');
  const answers = await Promise.all(
    Array.from({ length: 30 }, (_, i) => signIn('flood@example.com', `guess number ${i}`)),
  );
  expect(answers.filter(({ status }) => status === 401).length).toBeLessThanOrEqual(5);
  expect((await signIn('flood@example.com')).status).toBe(429);
});

test('one address that tries many accounts is slowed down', async () => {
  const limited = await startTestServer({
    clock,
    databaseUrl: server.databaseUrl,
    env: { RATE_LIMIT_ADDRESS: '6000' },
  });
  try {
    const statuses = [];
    for (let i = 0; i < 22; i++) {
      const body = { email: `spray${i}@example.com`, password: 'x' };
      statuses.push((await limited.call('POST', 'producers/sessions/', { token: null, body })).status);
    }
    expect(statuses.slice(0, 20)).toEqual(Array.from({ length: 20 }, () => 401));
    expect(statuses.slice(20)).toEqual([429, 429]);
  } finally {
    await limited.close();
  }
});

test('an invitation works once, within seven days, and not after it was withdrawn', async () => {
  const owner = await firstOwner();
  const path = `applications/${CLIENT_ID}/producers/invitations/`;
  const invite = async (email: string): Promise<{ id: string; token: string }> => {
    const { body } = await as<{ id: string; link: string }>(owner, 'POST', path, { email, role: 'viewer' });
    return { id: body.id, token: new URL(body.link).hash.slice(1) };
  };
  const accept = async (token: string): Promise<number> =>
    (
      await server.call('POST', 'producers/invitations/accept/', {
        token: null,
        body: { token, name: 'New', password: PASSWORD },
      })
    ).status;

  const withdrawn = await invite('withdrawn@example.com');
  expect((await as(owner, 'DELETE', `${path}${withdrawn.id}/`)).status).toBe(204);
  expect(await accept(withdrawn.token)).toBe(404);

  const replaced = await invite('again@example.com');
  const valid = await invite('again@example.com');
  expect(await accept(replaced.token)).toBe(404);
  expect(await accept(valid.token)).toBe(201);
  expect(await accept(valid.token)).toBe(404);

  const late = await invite('late@example.com');
  clock.advance(7 * 86_400_000_000 + 1);
  expect(await accept(late.token)).toBe(404);
  expect(
    (await server.call('POST', 'producers/invitations/show/', { token: null, body: { token: late.token } })).status,
  ).toBe(404);
  first = Promise.resolve(sessionOf(await signIn('owner@example.com')));
});

test('somebody with an account accepts a second application with its password, not with a new one', async () => {
  await join('both@example.com', 'editor');
  const invited = await as<{ link: string }>(
    await firstOwner(),
    'POST',
    `applications/${other}/producers/invitations/`,
    { email: 'both@example.com', role: 'viewer' },
  );
  const token = new URL(invited.body.link).hash.slice(1);
  const shown = await server.call<{ has_account: boolean }>('POST', 'producers/invitations/show/', {
    token: null,
    body: { token },
  });
  expect(shown.body).toMatchObject({ email: 'both@example.com', role: 'viewer', has_account: true });
  const wrong = await server.call('POST', 'producers/invitations/accept/', {
    token: null,
    body: { token, name: 'Other', password: 'a password of somebody else' },
  });
  expect(wrong.status).toBe(400);
  const right = await server.call<{ csrf_token: string }>('POST', 'producers/invitations/accept/', {
    token: null,
    body: { token, password: PASSWORD },
  });
  expect(right.status).toBe(201);
  const session = await as<{ applications: unknown[] }>(sessionOf(right), 'GET', 'session/');
  expect(session.body.applications).toEqual([
    { client_id: CLIENT_ID, name: CLIENT_ID, role: 'editor' },
    { client_id: other, name: 'Other', role: 'viewer' },
  ]);
});

test('a role changes at once, and an application keeps its last owner', async () => {
  const owner = await firstOwner();
  const editor = await join('demoted@example.com', 'editor');
  const list = await as<{ results: { id: string; email: string; role: string }[] }>(
    owner,
    'GET',
    `applications/${CLIENT_ID}/producers/`,
  );
  const idOf = (email: string): string => list.body.results.find((one) => one.email === email)?.id ?? '';
  const path = (email: string): string => `applications/${CLIENT_ID}/producers/${idOf(email)}/`;
  expect((await as(editor, 'POST', `profile-by-custom-id/${CLIENT_ID}/made-by-editor/`, {})).status).toBe(201);
  expect((await as(owner, 'PATCH', path('demoted@example.com'), { role: 'viewer' })).status).toBe(204);
  expect((await as(editor, 'POST', `profile-by-custom-id/${CLIENT_ID}/made-by-viewer/`, {})).status).toBe(403);
  expect((await as(owner, 'DELETE', path('demoted@example.com'))).status).toBe(204);
  expect((await as(editor, 'GET', `applications/${CLIENT_ID}/profiles/`)).status).toBe(403);

  expect((await as(owner, 'PATCH', path('owner@example.com'), { role: 'editor' })).status).toBe(409);
  expect((await as(owner, 'DELETE', path('owner@example.com'))).status).toBe(409);
});

test('weak passwords, bad addresses and empty names are refused all at once', async () => {
  const fresh = await startTestServer({ clock });
  try {
    const body = { token: fresh.app.firstOwnerToken, email: 'owner@example.com', name: '  ', password: 'short' };
    const answer = await fresh.call('POST', 'producers/invitations/accept/', { token: null, body });
    expect(answer.status).toBe(400);
    expect(Object.keys(answer.body).sort()).toEqual(['name', 'password']);
    const address = await fresh.call('POST', 'producers/invitations/accept/', {
      token: null,
      body: { ...body, email: 'nobody', name: 'N', password: PASSWORD },
    });
    expect(Object.keys(address.body)).toEqual(['email']);
  } finally {
    await fresh.close();
  }
});

test('a page of another site cannot sign anybody in', async () => {
  const answer = await server.call('POST', 'producers/sessions/', {
    token: null,
    headers: { 'sec-fetch-site': 'cross-site' },
    body: { email: 'owner@example.com', password: PASSWORD },
  });
  expect(answer.status).toBe(403);
  expect(answer.headers.get('set-cookie')).toBeNull();
});

test('neither passwords nor tokens are kept as they are', async () => {
  await firstOwner();
  const { db } = server.app.context;
  const { sql } = await import('../database/database.ts');
  const { rows } = await db.query<{ password_hash: string }>(
    sql`select password_hash from producers where email = 'owner@example.com'`,
  );
  expect(rows[0]?.password_hash).toMatch(/^scrypt\$32768\$8\$3\$[\w-]{22}\$[\w-]{43}$/);
  const session = sessionOf(await signIn('owner@example.com'));
  const token = session.cookie.split('=')[1] ?? '';
  const stored = await db.query(
    sql`select 1 from producer_sessions where token_hash = ${Buffer.from(token)} or csrf_token = ${token}`,
  );
  expect(stored.count).toBe(0);
});
