// Every operation of the OpenAPI document with every kind of credential. What is expected follows from what the route
// declares (config.access, config.reads) and from nothing else, so that a new route is held to its own words. The few that
// decide more in their handler are named in asFan, asOtherFan and OTHERWISE, each with its reason.

import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAdminToken } from '../applications/application-service.ts';
import { isOwnAccess, OWN_ACCESS, type OwnAccess } from './route.ts';
import { forge, signClientToken } from '../credentials/testing.ts';
import { startTestServer, testClock, type TestServer } from '../testing/server.ts';
import {
  createTenant,
  differences,
  everythingStored,
  fill,
  listOperations,
  signedIn,
  type Operation,
  type Tenant,
} from '../testing/two-applications.ts';

type Headers = Record<string, string>;
/** Open: it gets as far as the handler. Hidden: what the path names is not there, as far as this credential can tell. */
type Expected = 'open' | 'not_authenticated' | 'authentication_failed' | 'denied' | 'hidden';

interface Knocker {
  headers: (ours: Tenant, theirs: Tenant) => Headers | Promise<Headers>;
  /** Of the calls of the API. */
  expects: (operation: Operation) => Expected;
  /** What it has of the credentials that other routes have for themselves. */
  owns?: OwnAccess;
  /** What is sent beside the headers, by the body. */
  signs?: (body: string, ours: Tenant, theirs: Tenant) => Headers;
}

const expectedOf = ({ expects, owns }: Knocker, operation: Operation): Expected => {
  const { access } = operation;
  if (!isOwnAccess(access)) return expects(operation);
  return access === 'anybody' || access === owns ? 'open' : 'authentication_failed';
};

const SECOND = 1_000_000;
const bearer = (token: string): Headers => ({ authorization: `Bearer ${token}` });
const clock = testClock();
let server: TestServer;
let [ours, theirs]: Tenant[] = [];
let operations: Operation[];

beforeAll(async () => {
  server = await startTestServer({ clock, env: { RATE_LIMIT_APPLICATION: '0', RATE_LIMIT_PROFILE: '0' } });
  ours = await createTenant(server, 'ours');
  theirs = await createTenant(server, 'theirs');
  operations = await listOperations(server);
});
afterAll(() => server.close());

const namesApplication = ({ path }: Operation): boolean => path.includes('{client_id}');
const namesProfile = ({ path }: Operation): boolean => path.includes('{profile_id}');

/** Of a token that is no good: public calls ignore it. */
const dead = ({ access }: Operation): Expected => (access === 'public' ? 'open' : 'authentication_failed');

/** Of a good credential of another application: what the path names is refused or not there; the rest is its own. */
const foreign =
  (home: Knocker['expects']) =>
  (operation: Operation): Expected => {
    if (operation.access === 'public') return home(operation);
    if (namesApplication(operation)) return 'denied';
    const atHome = home(operation);
    return atHome === 'open' && namesProfile(operation) ? 'hidden' : atHome;
  };

const asAdmin = ({ access }: Operation): Expected =>
  access === 'profile' || access === 'producer' || access === 'owner-session' ? 'denied' : 'open';

const asReader = (operation: Operation): Expected => {
  const { access, reads } = operation;
  if (access === 'public') return 'open';
  return access === 'owner' || !reads ? 'denied' : asAdmin(operation);
};

const asFan = ({ access, id }: Operation): Expected =>
  access === 'public' || access === 'profile' || (access === 'any' && id !== 'getSession' && id !== 'searchProfiles')
    ? 'open'
    : 'denied';

const asOtherFan = (operation: Operation): Expected => {
  const atHome = asFan(operation);
  return atHome === 'open' && namesProfile(operation) && operation.id !== 'getProfile' ? 'denied' : atHome;
};

const asOwner = ({ access }: Operation): Expected => (access === 'profile' ? 'denied' : 'open');
const asEditor = (operation: Operation): Expected =>
  operation.access === 'owner' || operation.access === 'owner-session' ? 'denied' : asOwner(operation);
const asViewer = (operation: Operation): Expected => {
  const { access, reads } = operation;
  return !reads && (access === 'admin' || access === 'any') ? 'denied' : asEditor(operation);
};

/** A cookie without its CSRF token: nothing but what is safe. Public calls look at no cookie. */
const withoutCsrf =
  (home: Knocker['expects']) =>
  (operation: Operation): Expected =>
    operation.method === 'GET' || operation.access === 'public' ? home(operation) : 'denied';

const session = async (producer: string): Promise<Headers> => ({ ...(await signedIn(server, producer)) });
const cookieOnly = async (producer: string): Promise<Headers> => ({
  cookie: (await signedIn(server, producer)).cookie,
});
const made = async (tenant: Tenant, options: object) =>
  createAdminToken(server.app.context, tenant.applicationId, { name: 'knocker', ...options });
const claims = (tenant: Tenant) => ({ custom_profile_id: tenant.fan.customId });
const signing = ({ clientId: iss, clientSecret: secret }: Tenant) => ({ iss, secret });

const basic = (key: string): Headers => ({ authorization: `Basic ${btoa(`${key}:`)}` });
const hmac = (secret: string, body: string): Headers => ({
  'x-webhook-signature': createHmac('sha1', secret).update(body).digest('base64'),
});
const bySignature = {
  headers: () => ({}),
  expects: ({ access }: Operation): Expected => (access === 'public' ? 'open' : 'not_authenticated'),
};

const KNOCKERS: Record<string, Knocker> = {
  'no credential': {
    headers: () => ({}),
    expects: ({ access }) => (access === 'public' ? 'open' : 'not_authenticated'),
  },
  'an empty token': { headers: () => ({ authorization: 'Bearer ' }), expects: dead },
  'a source': { headers: ({ writeKeys }) => basic(writeKeys.server), expects: dead, owns: 'write-key' },
  'a source that pages send with': {
    headers: ({ writeKeys }) => basic(writeKeys.client),
    expects: dead,
    owns: 'write-key',
  },
  'a source, with its key where tokens stand': { headers: ({ writeKeys }) => bearer(writeKeys.server), expects: dead },
  'a source that was deleted': {
    headers: async ({ adminToken, clientId }) => {
      const path = `applications/${clientId}/sources/`;
      const body = { name: 'gone', kind: 'segment' };
      const answer = await server.call<{ id: string; write_key: string }>('POST', path, { token: adminToken, body });
      await server.call('DELETE', `${path}${answer.body.id}/`, { token: adminToken });
      return basic(answer.body.write_key);
    },
    expects: dead,
  },
  'LiveLike, by its signature': {
    ...bySignature,
    owns: 'signature',
    signs: (body, { liveLikeSecret }) => hmac(liveLikeSecret, body),
  },
  'LiveLike, by the secret of the other application’s source': {
    ...bySignature,
    signs: (body, _, { liveLikeSecret }) => hmac(liveLikeSecret, body),
  },
  'LiveLike, by the signature of another body': {
    ...bySignature,
    signs: (body, { liveLikeSecret }) => hmac(liveLikeSecret, `${body} `),
  },
  'another scheme': { headers: () => ({ authorization: 'Basic YTpi' }), expects: dead },
  garbage: { headers: () => bearer('garbage'), expects: dead },
  'a JSON Web Token of nobody': { headers: () => bearer(forge({ alg: 'HS256' }, { iss: 'x' }, 'x')), expects: dead },
  'alg: none, as a fan': {
    headers: ({ clientId: iss, fan }) =>
      bearer(forge({ alg: 'none', typ: 'JWT' }, { iss, iat: clock.now() / SECOND, custom_profile_id: fan.customId })),
    expects: dead,
  },
  'alg: none, with the claims of a fan’s own token': {
    headers: ({ fan }) =>
      bearer(fan.token.replace(/^[^.]+/, forge({ alg: 'none' }, {}).split('.')[0] ?? '').replace(/[^.]+$/, '')),
    expects: dead,
  },
  'a fan’s client-signed token, expired': {
    headers: async (tenant) => {
      const exp = Math.floor(clock.now() / SECOND) - 1;
      return bearer(await signClientToken(clock.now(), { ...claims(tenant), exp }, signing(tenant)));
    },
    expects: dead,
  },
  'a fan’s client-signed token, by the other application’s secret': {
    headers: async (tenant, { clientSecret: secret }) =>
      bearer(await signClientToken(clock.now(), claims(tenant), { ...signing(tenant), secret })),
    expects: dead,
  },
  'a revoked fan’s token': {
    headers: async () => {
      const fan = await server
        .as(ours?.adminToken ?? '')
        .request<{ id: string; access_token: string }>('POST', 'applications/ours/profile/', { body: {} });
      await server.call('DELETE', `profiles/${fan.id}/access-tokens/`, { token: fan.access_token });
      return bearer(fan.access_token);
    },
    expects: dead,
  },
  'an erased fan’s token': {
    headers: async () => {
      const fan = await server
        .as(ours?.adminToken ?? '')
        .request<{ id: string; access_token: string }>('POST', 'applications/ours/profile/', { body: {} });
      await server.call('DELETE', `profiles/${fan.id}/`, { token: fan.access_token });
      return bearer(fan.access_token);
    },
    expects: dead,
  },
  'an erased fan’s client-signed token': {
    headers: async (tenant) => {
      const token = await signClientToken(clock.now(), { custom_profile_id: 'to-erase' }, signing(tenant));
      const { body } = await server.call<{ id: string }>('GET', 'applications/ours/profile/', { token });
      await server.call('DELETE', `profiles/${body.id}/`, { token });
      return bearer(token);
    },
    expects: dead,
  },
  'a revoked admin token': {
    headers: async (tenant) => {
      const { id, token } = await made(tenant, {});
      await server.call('DELETE', `applications/ours/access-tokens/${id}/`, { token: tenant.adminToken });
      return bearer(token);
    },
    expects: dead,
  },
  'an admin token whose maker was revoked': {
    headers: async (tenant) => {
      const maker = await made(tenant, {});
      const path = 'applications/ours/access-tokens/';
      const { body } = await server.call<{ token: string }>('POST', path, { token: maker.token, body: { name: 'n' } });
      await server.call('DELETE', `${path}${maker.id}/`, { token: tenant.adminToken });
      return bearer(body.token);
    },
    expects: dead,
  },
  'an expired admin token': {
    headers: async (tenant) => bearer((await made(tenant, { expiresAt: clock.now() - SECOND })).token),
    expects: dead,
  },
  'a session that was ended': {
    headers: async ({ producers }) => {
      const headers = await session(producers.owner);
      await server.call('DELETE', 'producers/session/', { token: null, headers });
      return headers;
    },
    expects: ({ access }) => (access === 'public' ? 'open' : 'not_authenticated'),
  },
  'the other application’s admin': { headers: (_, { adminToken }) => bearer(adminToken), expects: foreign(asAdmin) },
  'the other application’s fan': { headers: (_, { fan }) => bearer(fan.token), expects: foreign(asFan) },
  'the other application’s fan, client-signed': {
    headers: async (_, tenant) => bearer(await signClientToken(clock.now(), claims(tenant), signing(tenant))),
    expects: foreign(asFan),
  },
  'the other application’s owner': {
    headers: (_, { producers }) => session(producers.owner),
    expects: foreign(asOwner),
  },
  'another fan': { headers: ({ otherFan }) => bearer(otherFan.token), expects: asOtherFan },
  'the fan itself': { headers: ({ fan }) => bearer(fan.token), expects: asFan },
  'a read-only token': {
    headers: async (tenant) => bearer((await made(tenant, { readOnly: true })).token),
    expects: asReader,
  },
  'a viewer': { headers: ({ producers }) => session(producers.viewer), expects: asViewer },
  'an editor': { headers: ({ producers }) => session(producers.editor), expects: asEditor },
  'an editor without CSRF token': {
    headers: ({ producers }) => cookieOnly(producers.editor),
    expects: withoutCsrf(asEditor),
  },
  'an owner without CSRF token': {
    headers: ({ producers }) => cookieOnly(producers.owner),
    expects: withoutCsrf(asOwner),
  },
  'an owner with the CSRF token of another session': {
    headers: async ({ producers }) => ({
      ...(await cookieOnly(producers.owner)),
      'x-csrf-token': (await signedIn(server, producers.owner))['x-csrf-token'],
    }),
    expects: withoutCsrf(asOwner),
  },
  'the owner': { headers: ({ producers }) => session(producers.owner), expects: asOwner },
  'the admin': { headers: ({ adminToken }) => bearer(adminToken), expects: asAdmin },
};

const REFUSED: Record<Exclude<Expected, 'open'>, { status: number; code: string }> = {
  not_authenticated: { status: 401, code: 'not_authenticated' },
  authentication_failed: { status: 401, code: 'authentication_failed' },
  denied: { status: 403, code: 'permission_denied' },
  hidden: { status: 404, code: 'not_found' },
};

/** The status and what was said; of a stream only that it began. */
async function knock(
  operation: Operation,
  path: string,
  headers: Headers,
  sign: (body: string) => Headers,
): Promise<{ status: number; text: string }> {
  const hasBody = operation.method !== 'GET' && operation.example !== undefined;
  const body = typeof operation.example === 'string' ? operation.example : JSON.stringify(operation.example);
  const response = await fetch(server.api(path), {
    method: operation.method,
    headers: { ...headers, ...(hasBody && { 'content-type': operation.contentType, ...sign(body) }) },
    ...(hasBody && { body }),
  });
  if (response.headers.get('content-type')?.startsWith('text/event-stream') === true) {
    await response.body?.cancel();
    return { status: response.status, text: '' };
  }
  return { status: response.status, text: await response.text() };
}

describe('every operation, asked by', () => {
  it('the document names them all, with what they declare', () => {
    expect(operations.length).toBeGreaterThan(60);
    expect(new Set(operations.map(({ access }) => access)).size).toBe(7 + OWN_ACCESS.length);
  });

  for (const [name, knocker] of Object.entries(KNOCKERS)) {
    it(`${name}: is refused where the route says so, in its words, and changes nothing there`, async () => {
      if (!ours || !theirs) throw new Error('no tenants');
      const [tenant, other] = [ours, theirs];
      const own = await knocker.headers(tenant, other);
      const sign = (body: string): Headers => knocker.signs?.(body, tenant, other) ?? {};
      const refused = operations.flatMap((operation) => {
        const expected = expectedOf(knocker, operation);
        return expected === 'open' ? [] : [{ operation, expected }];
      });
      const before = await everythingStored(server);
      const wrong: string[] = [];
      await Promise.all(
        refused.map(async ({ operation, expected }) => {
          const { status, text } = await knock(operation, fill(operation.path, tenant.params), own, sign);
          const { status: due, code } = REFUSED[expected];
          const isRight = status === due && (JSON.parse(text) as { error_code?: string }).error_code === code;
          if (!isRight)
            wrong.push(`${operation.method} ${operation.path}: ${due} ${code}, not ${status} ${text.slice(0, 200)}`);
        }),
      );
      expect(wrong).toEqual([]);
      expect(differences(before, await everythingStored(server))).toEqual([]);
    });
  }
});

/** What lets a credential in and refuses it all the same, for another reason than who it is. */
const OTHERWISE: Record<string, (status: number, text: string) => boolean> = {
  // Nobody has this address and this password.
  signIn: (status, text) => status === 401 && text.includes('password is wrong'),
  // A good admin token is honoured, so one that may not do it here is refused.
  createProfile: (status, text) => status === 403 && /another application|read-only/.test(text),
  // No worker fills the groups of these tenants.
  getComingChanges: (status, text) => status === 409 && text.includes('being filled'),
};

describe('every operation lets in', () => {
  for (const [name, knocker] of Object.entries(KNOCKERS)) {
    it(`${name}, where the route says so`, async () => {
      if (!ours || !theirs) throw new Error('no tenants');
      const [tenant, other] = [ours, theirs];
      const wrong: string[] = [];
      const open = operations.filter((operation) => expectedOf(knocker, operation) === 'open');
      const kept = await knocker.headers(tenant, other);
      const sign = (body: string): Headers => knocker.signs?.(body, tenant, other) ?? {};
      for (const operation of open) {
        const { id, method, path, access } = operation;
        // Its own things where it only looks; where it changes something, things that are not there.
        const params = method === 'GET' || isOwnAccess(access) ? tenant.params : { client_id: tenant.clientId };
        const own = kept['cookie'] === undefined ? kept : await knocker.headers(tenant, other); // one of these signs out
        const { status, text } = await knock(operation, fill(path, params), own, sign);
        const isIn = isOwnAccess(access)
          ? status === 200
          : method === 'GET'
            ? status === 200 || status === 400
            : status < 500 && ![401, 403, 405].includes(status);
        if (!isIn && OTHERWISE[id]?.(status, text) !== true)
          wrong.push(`${method} ${path}: ${status} ${text.slice(0, 200)}`);
        if (
          name === 'a read-only token' &&
          operation.access !== 'public' &&
          /@ours\.example|token:|producer:/.test(text)
        )
          wrong.push(`${method} ${path} tells who works here: ${text.slice(0, 200)}`);
      }
      expect(wrong).toEqual([]);
    });
  }
});
