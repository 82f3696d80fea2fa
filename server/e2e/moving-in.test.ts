// An application that moves here keeps its client id and its client secret: its apps have the one compiled in, and its accounts
// system signs with the other.

import { expect, it } from 'vitest';
import { signClientToken } from '../src/credentials/testing.ts';
import { createTestDatabase } from '../src/testing/database.ts';
import { BOOTSTRAP, CLI, run, SECRET_KEY, startProcess } from './server-process.ts';

const CLIENT_ID = 'Cb3_the-id-that-apps-have-compiled-in';
const CLIENT_SECRET = 'the-secret-that-the-accounts-system-signs-with';

it('an application is made with its client id and secret beside a server that runs, and its own tokens go on working', async () => {
  const database = await createTestDatabase();
  const env = { DATABASE_URL: database.url, SECRET_KEY, ...BOOTSTRAP, LOG_LEVEL: 'silent' };
  const server = await startProcess(env);
  try {
    const token = await signClientToken(
      Date.now() * 1000,
      { custom_profile_id: 'fan-of-theirs' },
      { iss: CLIENT_ID, secret: CLIENT_SECRET },
    );
    const own = (): Promise<Response> =>
      fetch(`${server.url}/api/v1/applications/${CLIENT_ID}/profile/`, {
        headers: { authorization: `Bearer ${token}` },
      });
    expect((await own()).status).toBe(401);
    const create = ['app', 'create', 'Moved', `--client-id=${CLIENT_ID}`, `--client-secret=${CLIENT_SECRET}`];
    const made = await run([CLI, ...create], env);
    expect(made).toMatchObject({ code: 0, stderr: '' });
    expect(made.stdout).toBe(`client id      ${CLIENT_ID}\nclient secret  ${CLIENT_SECRET}\n`);
    const answer = await own();
    expect([answer.status, await answer.json()]).toMatchObject([
      200,
      { client_id: CLIENT_ID, custom_id: 'fan-of-theirs' },
    ]);
    expect(await run([CLI, ...create], env)).toMatchObject({
      code: 1,
      stderr: `--client-id: '${CLIENT_ID}' is taken.\n`,
    });
  } finally {
    server.kill('SIGTERM');
    await server.exit;
    await database.drop();
  }
});
