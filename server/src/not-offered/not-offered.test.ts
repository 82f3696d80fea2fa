import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  ANDROID_APPLICATION,
  ANDROID_PROFILE,
  IOS_APPLICATION,
  IOS_PROFILE,
  refusedBy,
} from '../testing/official-decoders.ts';
import { CLIENT_ID, startTestServer, type TestServer } from '../testing/server.ts';
import { FEATURES } from './not-offered.ts';

type Resource = Record<string, unknown>;

let server: TestServer;
let application: Resource;
/** Each as a client is answered: made, asked for by its token, changed, by its address. */
const profiles: Record<string, Resource> = {};
let other: Resource;
beforeAll(async () => {
  server = await startTestServer();
  const path = `applications/${CLIENT_ID}/`;
  const answer = async (method: string, to: string, token: string | null, body?: unknown): Promise<Resource> =>
    (await server.call(method, to, { token, ...(body !== undefined && { body }) })).body;
  application = await answer('GET', path, null);
  const made = await answer('POST', `${path}profile/`, null, {});
  const token = String(made['access_token']);
  profiles['made'] = made;
  profiles['of the token'] = await answer('GET', `${path}profile/`, token);
  profiles['changed'] = await answer('PATCH', `${path}profile/`, token, { nickname: 'Changed' });
  profiles['by its address'] = await answer('GET', `profiles/${String(made['id'])}/`, token);
  profiles['changed at its address'] = await answer('PATCH', `profiles/${String(made['id'])}/`, token, {});
  const someone = await answer('POST', `${path}profile/`, null, {});
  other = await answer('GET', `profiles/${String(someone['id'])}/`, token);
});
afterAll(() => server.close());

/** The names that an interface of LiveLike's type definitions requires. */
function requiredBy(name: string): Map<string, string> {
  const file = createRequire(import.meta.url).resolve('@livelike/javascript/index.d.ts');
  const source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest);
  const found = source.statements.find(
    (statement) => ts.isInterfaceDeclaration(statement) && statement.name.text === name,
  ) as ts.InterfaceDeclaration; // as found
  return new Map(
    found.members
      .filter(ts.isPropertySignature)
      .filter((member) => !member.questionToken)
      .map((member) => [member.name.getText(source), member.type?.getText(source) ?? 'any']),
  );
}

const lacking = (resource: Resource, interfaceName: string): string[] =>
  [...requiredBy(interfaceName)].flatMap(([key, type]) => {
    const value = resource[key];
    // pubnub_… is null: these clients then do without it.
    const meets = value === null ? type.includes('null') || key.startsWith('pubnub_') : type.includes(typeof value);
    return value !== undefined && (meets || /^I|any/.test(type)) ? [] : [`${key}: ${type}`];
  });

/** The addresses in a resource, at any depth. */
const addresses = (resource: Resource): [string, string][] =>
  Object.entries(resource).flatMap(([key, value]) =>
    typeof value === 'string' && value.startsWith('http') ? [[key, value] as [string, string]] : [],
  );

describe('clients of LiveLike', () => {
  it('of phones read the application', () => {
    expect(refusedBy(ANDROID_APPLICATION, application)).toEqual([]);
    expect(refusedBy(IOS_APPLICATION, application)).toEqual([]);
  });

  it('of phones read a profile, in whichever answer', () => {
    for (const [answer, profile] of Object.entries(profiles)) {
      expect(refusedBy(ANDROID_PROFILE, profile), answer).toEqual([]);
      expect(refusedBy(IOS_PROFILE, profile), answer).toEqual([]);
    }
  });

  it('in JavaScript find everything that their types promise', () => {
    expect(lacking(application, 'IApplication')).toEqual([]);
    for (const [answer, profile] of Object.entries(profiles))
      expect(lacking({ ...profile, access_token: 'kept by the client' }, 'IUserProfile'), answer).toEqual([]);
  });

  it('find the documented fields first, and in their order', () => {
    expect(Object.keys(profiles['of the token'] ?? {}).slice(0, 11)).toEqual([
      'id',
      'url',
      'client_id',
      'created_at',
      'updated_at',
      'last_active_at',
      'nickname',
      'custom_id',
      'custom_data',
      'attributes',
      'subscribe_channel',
    ]);
    expect(Object.keys(application).slice(0, 5)).toEqual([
      'url',
      'name',
      'client_id',
      'profile_url',
      'profile_detail_url_template',
    ]);
  });

  it('find no address that leads nowhere: each is a call of this server or is not offered, in a sentence', async () => {
    const program = (await server.call('GET', `programs/match-1/?client_id=${CLIENT_ID}`, { token: null })).body;
    const led = new Map<string, number>();
    for (const resource of [application, ...Object.values(profiles), other, program]) {
      for (const [key, address] of addresses(resource)) {
        if (led.has(address)) continue;
        const filled = address.replace(/\{profile_id\}/g, String(other['id'])).replace(/\{\w+\}/g, 'x');
        const { status, body } = await server.call('GET', filled);
        led.set(address, status);
        if (!address.includes('/not-offered/')) {
          expect([200, 403, 404, 405], `${key} ${address}`).toContain(status);
          expect(body['error_code'], key).not.toBe('not_offered');
          continue;
        }
        expect({ status, body }, key).toEqual({
          status: 404,
          body: {
            detail: expect.stringMatching(/^\w.* are not part of Grandstand\.$/) as string,
            error_code: 'not_offered',
          },
        });
      }
    }
    expect(led.size).toBeGreaterThan(100);
  });

  it('are told the same whatever they send, and what is no feature is not found', async () => {
    const answer = (detail: string): unknown => ({ detail, error_code: 'not_offered' });
    for (const method of ['GET', 'POST', 'PATCH', 'PUT', 'DELETE']) {
      for (const path of [
        'chat-rooms',
        'chat-rooms/',
        'chat-rooms/x/y/',
        'chat-rooms/&invited_by_id=x',
        'chat-rooms/?a=%20',
      ]) {
        const sent = await fetch(server.api(`not-offered/${path}`), {
          method,
          headers: { authorization: 'Bearer dead', 'content-type': 'multipart/form-data' },
          ...(method !== 'GET' && { body: 'no form at all' }),
        });
        expect(sent.status, `${method} ${path}`).toBe(404);
        expect(await sent.json(), `${method} ${path}`).toEqual(answer('Chat rooms are not part of Grandstand.'));
        expect(sent.headers.get('access-control-allow-origin')).toBe('*');
      }
    }
    for (const [feature, name] of Object.entries(FEATURES))
      expect((await server.call('GET', `not-offered/${feature}/`)).body).toEqual(
        answer(`${name} are not part of Grandstand.`),
      );
    for (const path of ['not-offered/constructor/', 'not-offered/nothing/', 'not-offered/'])
      expect((await server.call('GET', path)).body).toMatchObject({ error_code: 'not_found' });
  });

  it('are told the application of any program where there is one application, else of the one that is named', async () => {
    const get = async (path: string): Promise<Resource> =>
      (await server.call('GET', `programs/${path}`, { token: null })).body;
    const id = '7a1ba9ab-5ad8-4d6f-9d4c-2b6f1f0c5a11';
    expect(await get(`${id}/`)).toMatchObject({ id, client_id: CLIENT_ID, leaderboards: [], default_chat_room: null });
    const { createApplication } = await import('../applications/application-service.ts');
    await createApplication(server.app.context, { clientId: 'second-app', name: 'Second' });
    expect(await get(`${id}/`)).toMatchObject({
      error_code: 'not_found',
      detail: expect.stringContaining('client_id') as string,
    });
    expect(await get(`${id}/?client_id=second-app`)).toMatchObject({ id, client_id: 'second-app', title: 'Second' });
    expect(await get('second-app/')).toMatchObject({ id: 'second-app', client_id: 'second-app' });
    expect(await get(`${id}/?client_id=nobody-here`)).toMatchObject({ error_code: 'not_found' });
    expect(String(application['program_detail_url_template'])).toContain(
      `/programs/{program_id}/?client_id=${CLIENT_ID}`,
    );
  });

  it('find profiles by the beginning of a nickname, as administrators', async () => {
    const address = String(application['profile_search_url']).replace('{search_name}', 'CHAN');
    expect((await server.call('GET', address)).body).toMatchObject({ count: 1, results: [{ nickname: 'Changed' }] });
    expect((await server.call('GET', 'profiles/?nickname=nobody')).body).toMatchObject({ count: 0 });
    expect((await server.call('GET', 'profiles/?page_size=1')).body).toMatchObject({ count: 2, results: [{}] });
    expect((await server.call('GET', 'profiles/?page_size=0')).body).toHaveProperty('page_size');
    const token = String(profiles['made']?.['access_token']);
    expect((await server.call('GET', address, { token })).status).toBe(403);
    expect((await server.call('GET', 'profiles/?client_id=second-app')).status).toBe(403);
    expect((await server.call('GET', address, { token: null })).status).toBe(401);
  });

  it('let fans find each other where the application lets them: what others may see, and not everybody at once', async () => {
    const address = String(application['profile_search_url']).replace('{search_name}', 'fan o');
    const fan = await server.sdk.profiles.create({ nickname: 'Fan One' });
    await server.sdk.attributes.define({ key: 'club', type: 'string', visible_to: 'public' });
    await server.sdk.profiles.create({
      nickname: 'Fan Other',
      custom_id: 'private',
      attributes: [
        { key: 'club', value: 'Reds' },
        { key: 'email', value: 'other@example.com' },
      ],
    });
    const token = fan.access_token;
    const may = (fans_may_search: boolean) => server.sdk.updateApplication({ fans_may_search });
    const search = (path: string) => server.call<{ detail: string }>('GET', path, { token });
    expect(await search(address)).toMatchObject({
      status: 403,
      body: { detail: expect.stringContaining('fans_may_search') as string },
    });
    expect(await may(true)).toMatchObject({ fans_may_search: true });
    expect(await server.sdk.getApplication()).toMatchObject({ fans_may_search: true });
    const found = await search(address);
    expect(found).toMatchObject({
      status: 200,
      body: {
        count: null,
        results: [{ nickname: 'Fan Other', attributes: [{ key: 'club', value: 'Reds' }] }, { id: fan.id }],
      },
    });
    expect(JSON.stringify(found.body)).not.toMatch(/private|other@example|custom_data|last_active/);
    for (const path of ['profiles/', 'profiles/?nickname=', 'profiles/?count=true'])
      expect(await search(path), path).toMatchObject({ status: 400, body: { nickname: ['This field is required.'] } });
    expect((await search('profiles/?client_id=second-app&nickname=fan')).status).toBe(403);
    expect((await server.sdk.audit({ action: 'updateApplication' }).all(1))[0]).toMatchObject({
      before: { fans_may_search: false },
      after: { fans_may_search: true },
    });
    await may(false);
    expect((await search(address)).status).toBe(403);
  });
});
