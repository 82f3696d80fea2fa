// What is published, made by the script that the Dockerfile and the release call. The image's content runs as a container would:
// another root that cannot be written, another user, an empty volume. Without Docker: a mount namespace and chroot, which only root on
// Linux may. The package runs as in a project where it was installed, by somebody without rights.

import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../src/testing/free-port.ts';
import { scratchRoot } from '../src/testing/scratch.ts';

const ROOT = join(import.meta.dirname, '../..');
const STAGE = join(ROOT, 'scripts/stage.mjs');
const dockerfile = readFileSync(join(ROOT, 'Dockerfile'), 'utf8');

const canChroot = ((): boolean => {
  try {
    execFileSync('unshare', ['--mount', '--pid', '--fork', 'mount', '-t', 'tmpfs', 'none', '/mnt'], {
      stdio: 'ignore',
    });
    return process.getuid?.() === 0;
  } catch {
    return false;
  }
})();
if (!canChroot) process.stderr.write('*** NOT ROOT ON LINUX: the content of the container image is not run. ***\n');

/** The exec form of an instruction, and ENV, as Docker reads them. */
const instruction = (name: string): string[] =>
  JSON.parse(new RegExp(`^${name} (\\[.*\\])$`, 'm').exec(dockerfile)?.[1] ?? '[]') as string[]; // a list of words
const environment = (): Record<string, string> =>
  Object.fromEntries(
    [.../^ENV ([\s\S]*?[^\\])\n/m.exec(dockerfile)![1]!.matchAll(/(\w+)=(\S+)/g)].map(([, name, value]) => [
      name,
      value,
    ]), // it has one
  ) as Record<string, string>;

/** Holds `staged`, for both. */
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(scratchRoot(), 'grandstand-published-'));
  await chmod(folder, 0o755);
  execFileSync(process.execPath, [STAGE, join(folder, 'staged'), '--with-dependencies']);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('the content of the container image', () => {
  it('is what runs, without tests and what only development needs', () => {
    const staged = join(folder, 'staged');
    const names = readdirSync(staged, { recursive: true, encoding: 'utf8' });
    const own = names.filter((name) => !name.startsWith('node_modules'));
    expect(own.filter((name) => /\.test\.|testing|\.ts$|\.map$|\.env/.test(name))).toEqual([]);
    expect(own).toEqual(
      expect.arrayContaining(['LICENSE', 'licences.md', 'console/dist/index.html', 'bin/grandstand.js']),
    );
    for (const name of ['typescript', 'vitest', 'react', 'libpg-query', 'playwright-core'])
      expect(existsSync(join(staged, 'node_modules', name)), name).toBe(false);
    // Nothing of this machine.
    for (const name of own.filter((name) => /\.(js|json|html|md)$/.test(name)))
      expect(readFileSync(join(staged, name), 'utf8').includes(ROOT), name).toBe(false);
  });

  it.skipIf(!canChroot)(
    'starts with the embedded database as a user without rights on a root that cannot be written',
    async () => {
      const env = { ...environment(), PORT: String(await freePort()), HOST: '127.0.0.1' };
      const container = await startContainer(folder, env);
      try {
        const origin = `http://127.0.0.1:${env.PORT}`;
        await container.said('first-owner.txt');
        for (const path of [
          '/readyz',
          '/',
          '/examples/fan/',
          '/examples/fan/grandstand.min.js',
          '/docs/rules',
          '/docs/api',
          '/api/v1/openapi.json',
        ])
          expect((await fetch(origin + path)).status, path).toBe(200);
        const inside = (...words: string[]): string =>
          execFileSync(
            'nsenter',
            [
              '--target',
              String(container.pid()),
              '--mount',
              '--pid',
              '--wd',
              '--root',
              '--',
              'setpriv',
              '--reuid=1000',
              '--regid=1000',
              '--clear-groups',
              ...words,
            ],
            { env, encoding: 'utf8' },
          );
        expect(inside(...healthCheck())).toBe('');
        expect(inside(...instruction('ENTRYPOINT'), 'token', 'create', 'inside')).toMatch(/\S{22,}/);
        expect(() => inside('touch', '/opt/grandstand/dist/x')).toThrow();
        expect(container.output()).not.toMatch(/"level":(40|50|60)/);
        container.kill('SIGTERM');
        expect(await container.exit).toBe(0);
        expect(() =>
          execFileSync(process.execPath, [join(folder, 'staged', healthCheck()[1]!.replace('/opt/grandstand/', ''))], {
            env,
            stdio: 'ignore',
          }),
        ).toThrow(); // it has two words
      } finally {
        container.kill('SIGKILL');
      }
    },
  );
});

describe('the npm package', () => {
  let env: Record<string, string>;
  const program = (): string => join(folder, 'project/node_modules/.bin/grandstand');
  /** Somebody without rights: root would not notice what others may not do. */
  const asAnybody = (...words: string[]): string[] =>
    process.getuid?.() === 0 ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', ...words] : words;
  const run = (...words: string[]): string => {
    const [name = '', ...args] = asAnybody(program(), ...words);
    return execFileSync(name, args, { cwd: join(folder, 'project'), env, encoding: 'utf8', stdio: 'pipe' });
  };

  beforeAll(async () => {
    execFileSync('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: join(folder, 'staged') });
    // What npm install does with it, without a registry: unpacked, its dependencies beside it, its command linked.
    const modules = join(folder, 'project/node_modules');
    const home = join(modules, '@grandstand/server');
    await mkdir(join(modules, '.bin'), { recursive: true });
    for (const name of readdirSync(join(folder, 'staged/node_modules')))
      await symlink(join(folder, 'staged/node_modules', name), join(modules, name));
    await mkdir(home, { recursive: true });
    execFileSync('tar', ['xzf', join(folder, 'grandstand-server-0.1.0.tgz'), '-C', home, '--strip-components=1']);
    const { bin } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as { bin: Record<string, string> };
    expect(Object.keys(bin)).toEqual(['grandstand']); // npx takes the only one
    await chmod(join(home, bin['grandstand'] ?? ''), 0o755);
    await symlink(join('../@grandstand/server', bin['grandstand'] ?? ''), program());
    await chmod(join(folder, 'project'), 0o777);
    env = { PATH: process.env['PATH'] ?? '', HOME: join(folder, 'project'), PORT: String(await freePort()) };
  });

  it('holds what it needs and is not private, without tests, dependencies or links that lead out of it', () => {
    const home = join(folder, 'project/node_modules/@grandstand/server');
    const manifest = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as Record<string, unknown>;
    expect(manifest).not.toHaveProperty('private');
    expect(manifest).not.toHaveProperty('devDependencies');
    const names = readdirSync(home, { recursive: true, encoding: 'utf8' });
    expect(names.filter((name) => /node_modules|\.test\.|testing|\.map$/.test(name))).toEqual([]);
    expect(names).toEqual(
      expect.arrayContaining([
        'LICENSE',
        'README.md',
        'licences.md',
        'dist/cli.js',
        'console/dist/index.html',
        'site/dist/index.html',
        'migrations/0001-tables.sql',
      ]),
    );
    expect(statSync(join(folder, 'grandstand-server-0.1.0.tgz')).size).toBeLessThan(4 * 1024 ** 2);
    for (const [, target = ''] of readFileSync(join(home, 'README.md'), 'utf8').matchAll(/\]\(([^)#]+)/g))
      expect(target).toMatch(/^https:/);
  });

  it('starts by its name alone in an empty folder, is looked at, backed up and restored, as an ordinary user', async () => {
    const [name = '', ...args] = asAnybody(program());
    const start = async (more: Record<string, string> = {}) => {
      const child = spawn(name, args, {
        cwd: join(folder, 'project'),
        env: { ...env, ...more },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let output = '';
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
      const exit = new Promise<number | null>((resolve) => child.once('close', resolve));
      await said(child, () => output.includes('listening on'));
      expect(output).toContain(`listening on http://127.0.0.1:${env['PORT']}`);
      return { stop: () => child.kill('SIGTERM'), exit };
    };
    const origin = `http://127.0.0.1:${env['PORT']}`;
    const server = await start();
    try {
      for (const path of ['/', '/docs', '/docs/api', '/examples/fan/'])
        expect((await fetch(origin + path)).status, path).toBe(200);
      const clientId =
        /client id +(\S+)/.exec(readFileSync(join(folder, 'project/data/first-start.txt'), 'utf8'))?.[1] ?? '';
      const made = await fetch(`${origin}/api/v1/applications/${clientId}/profile/`, { method: 'POST' });
      const { access_token: token } = (await made.json()) as { access_token: string };
      const findings = (): string => {
        try {
          return run('doctor', '--json');
        } catch (error) {
          return (error as { stdout: string }).stdout; // it ends with 1: PUBLIC_URL is not set
        }
      };
      const { findings: found } = JSON.parse(findings()) as { findings: { check: string; level: string }[] };
      // Nothing beside where it is tried out: of this machine's disk and Node it may say more.
      expect(found.filter(({ check }) => !['disk', 'node'].includes(check)).map(({ check }) => check)).toEqual([
        'public-url',
        'backups',
        'first-start-file',
      ]);
      run('backup', 'today.backup');
      server.stop();
      expect(await server.exit).toBe(0);
      env['DATA_DIR'] = join(folder, 'project/restored');
      run('restore', 'today.backup');
      const again = await start();
      const profile = await fetch(`${origin}/api/v1/applications/${clientId}/profile/`, {
        headers: { authorization: `Bearer ${token}` },
      });
      expect(profile.status).toBe(200);
      again.stop();
      expect(await again.exit).toBe(0);
    } finally {
      server.stop();
    }
  });
});

/** The words of HEALTHCHECK. */
const healthCheck = (): string[] =>
  JSON.parse(/HEALTHCHECK[\s\S]*?CMD (\[.*\])$/m.exec(dockerfile)?.[1] ?? '[]') as string[]; // likewise

interface Container {
  /** Of the server, seen from outside. */
  pid(): number;
  output(): string;
  /** Resolves once it said so, or ended. */
  said(text: string): Promise<void>;
  kill(signal: NodeJS.Signals): void;
  exit: Promise<number | null>;
}

/** Another root: the system's programs, the image's content, a volume and /tmp that may be written, nothing else. */
async function startContainer(folder: string, env: Record<string, string>): Promise<Container> {
  const root = join(folder, 'root');
  await mkdir(root);
  const passwd = 'root:x:0:0::/root:/usr/sbin/nologin\nnode:x:1000:1000::/home/node:/usr/sbin/nologin\n';
  await writeFile(join(folder, 'passwd'), passwd);
  const script = join(folder, 'enter.sh');
  await writeFile(
    script,
    `set -e
mount --make-rprivate /
mount -t tmpfs root ${root}
cd ${root}
mkdir -p usr opt/grandstand var/lib/grandstand tmp proc dev/shm etc
mount --bind /usr usr && mount -o remount,bind,ro usr
for name in bin lib lib64; do ln -s usr/$name $name; done
cp ${folder}/passwd etc/passwd && echo 'node:x:1000:' > etc/group
cp -L /etc/ld.so.cache etc/ 2>/dev/null || true
mount --bind ${folder}/staged opt/grandstand && mount -o remount,bind,ro opt/grandstand
mount -t proc proc proc
for name in null zero urandom random; do touch dev/$name && mount --bind /dev/$name dev/$name; done
for place in tmp dev/shm var/lib/grandstand; do mount -t tmpfs -o mode=1777 writable $place; done
mount -o remount,ro ${root}
exec chroot --userspec=1000:1000 ${root} /usr/bin/env -C /var/lib/grandstand ${[...instruction('ENTRYPOINT'), ...instruction('CMD')].join(' ')}
`,
  );
  // The server is the first process of its own namespace, as in a container.
  const child = spawn('unshare', ['--mount', '--pid', '--fork', '--kill-child', 'sh', script], {
    env: { PATH: process.env['PATH'] ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const exit = new Promise<number | null>((resolve) => child.once('close', resolve));
  const pid = (): number => Number(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim());
  return {
    pid,
    output: () => output,
    said: (text) => said(child, () => output.includes(text)),
    kill: (signal) => {
      if (child.exitCode === null) process.kill(signal === 'SIGKILL' ? (child.pid ?? 0) : pid(), signal);
    },
    exit,
  };
}

/** Waits for what is looked for in its output, asked at each piece of it; an end ends the wait too. */
function said(child: ChildProcess, isThere: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => void (isThere() && resolve());
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', look);
    child.once('close', () => resolve());
    look();
  });
}
