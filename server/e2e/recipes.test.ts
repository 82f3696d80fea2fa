// docs/recipes: each recipe's files are saved, its commands run, in its own folder and on its own server.

import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { readdirSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterEach, expect, it } from 'vitest';
import { freePort } from '../src/testing/free-port.ts';
import { ADMIN_TOKEN, CLIENT_ID, CLIENT_SECRET, startTestServer, type TestServer } from '../src/testing/server.ts';
import { fileOf, openTerminal, readBlocks, type Terminal } from './running-pages.ts';

const ROOT = join(import.meta.dirname, '../..');
const ended: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ended.splice(0).reverse()) await end();
});

/** Follows a recipe; what its commands printed, together, and the server that it left behind. */
async function follow(name: string, more: Record<string, string> = {}): Promise<{ said: string; server: TestServer }> {
  const server = await startTestServer({ env: { ROLE: 'all' } });
  ended.push(() => server.close());
  const folder = await mkdtemp(join(tmpdir(), 'grandstand-recipe-'));
  ended.push(() => rm(folder, { recursive: true, force: true }));
  await mkdir(join(folder, 'node_modules/@grandstand'), { recursive: true });
  await symlink(join(ROOT, 'sdk'), join(folder, 'node_modules/@grandstand/sdk'));
  await symlink(join(ROOT, 'node_modules/jose'), join(folder, 'node_modules/jose'));
  const env = { ENDPOINT: server.url, CLIENT_ID, CLIENT_SECRET, ADMIN_TOKEN, ...more };
  const open = (): Terminal => {
    const terminal = openTerminal(folder, env);
    ended.push(() => terminal.close());
    return terminal;
  };
  const terminal = open();
  const port = String(await freePort());
  let said = '';
  for (const block of readBlocks(`docs/recipes/${name}.md`)) {
    const file = fileOf(block);
    const text = block.text.replaceAll('8081', port);
    const background = /^another terminal: (.*)$/.exec(block.note)?.[1];
    if (file !== undefined) await writeFile(join(folder, file), text);
    else if (background !== undefined) await open().start(text, background);
    else {
      expect(block, 'a block that is neither a file nor a command').toMatchObject({ language: 'sh', note: '' });
      said += await terminal.run(text);
    }
  }
  return { said, server };
}

/** A provider of identities, as Auth0 and Keycloak are to those who verify their tokens. */
async function startIssuer(audience: string, subject: string): Promise<{ issuer: string; idToken: string }> {
  const { publicKey, privateKey } = await generateKeyPair('RS256');
  const key = { ...(await exportJWK(publicKey)), kid: 'one', alg: 'RS256' };
  let issuer = '';
  const provider: Server = createServer((request, response) => {
    const isKeys = request.url === '/keys';
    response.end(JSON.stringify(isKeys ? { keys: [key] } : { issuer, jwks_uri: `${issuer}keys` }));
  });
  await new Promise<void>((resolve) => provider.listen(0, '127.0.0.1', resolve));
  ended.push(() => provider.close());
  issuer = `http://127.0.0.1:${(provider.address() as AddressInfo).port}/`; // of TCP
  const idToken = await new SignJWT({})
    .setProtectedHeader({ alg: 'RS256', kid: 'one' })
    .setIssuer(issuer)
    .setAudience(audience)
    .setSubject(subject)
    .setIssuedAt()
    .setExpirationTime('1h')
    .sign(privateKey);
  return { issuer, idToken };
}

const EXPECTED: Record<string, string[]> = {
  'vip-chat': ['2 invited', 'account-1 may enter: true', 'somebody may enter: false', 'a stranger may enter: false'],
  're-engagement': ['accepted: 3', 'now: 1', '"custom_id":"account-5"'],
  leaderboards: ['110 ada\n85 lin\n20 sol\n'],
  'data-integration': ['"accepted":3', '"added":2,"removed":0', 'custom_id', '"change":"entered"'],
};

it('every recipe is followed here', () => {
  const names = readdirSync(join(ROOT, 'docs/recipes')).map((name) => name.replace(/\.md$/, ''));
  expect(names.sort()).toEqual([...Object.keys(EXPECTED), 'ab-test', 'logins'].sort());
});

for (const [name, expected] of Object.entries(EXPECTED)) {
  it(`${name} does what it says`, async () => {
    const { said } = await follow(name);
    for (const text of expected) expect(said).toContain(text);
  });
}

it('ab-test makes two halves that are all fans, and no fan is in both', async () => {
  const { said, server } = await follow('ab-test');
  const [, a, b] = /a: (\d+), b: (\d+), together: 200/.exec(said) ?? [];
  expect(Number(a) + Number(b)).toBe(200);
  const members = await Promise.all(
    ['a', 'b'].map(async (half) =>
      (await server.sdk.groups.members(`custom:new-lobby-${half}`).all(200)).map(({ id }) => id),
    ),
  );
  expect(new Set(members.flat()).size).toBe(200);
});

it('logins make one profile for an account of one’s own, and one for a subject of a provider', async () => {
  const { issuer, idToken } = await startIssuer('my-page', 'auth0|17');
  const { said, server } = await follow('logins', { ISSUER: issuer, AUDIENCE: 'my-page', ID_TOKEN: idToken });
  expect(said).toContain('"custom_id":"account-17"');
  expect(said).toContain('"custom_id":"auth0|17"');
  expect((await server.sdk.profiles.list().all(10)).map(({ custom_id }) => custom_id).sort()).toEqual([
    'account-17',
    'auth0|17',
  ]);
});
