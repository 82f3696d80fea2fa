// The content of the container image, made by the script that the Dockerfile calls, run as a container would: another root that
// cannot be written, another user, an empty volume. Without Docker: a mount namespace and chroot, which only root on Linux may.

import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../src/testing/free-port.ts';
import { scratchRoot } from '../src/testing/scratch.ts';
import { eventually } from './server-process.ts';

const ROOT = join(import.meta.dirname, '../..');
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

describe('the content of the container image', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(scratchRoot(), 'grandstand-image-'));
    execFileSync(process.execPath, [join(ROOT, 'scripts/stage.mjs'), join(folder, 'staged'), '--with-dependencies']);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

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
        await eventually(
          async () => container.output(),
          (text) => text.includes('listening on') && text.includes('first-owner.txt'),
        );
        for (const path of [
          '/readyz',
          '/',
          '/examples/fan/',
          '/examples/fan/grandstand.min.js',
          '/docs',
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

/** The words of HEALTHCHECK. */
const healthCheck = (): string[] =>
  JSON.parse(/HEALTHCHECK[\s\S]*?CMD (\[.*\])$/m.exec(dockerfile)?.[1] ?? '[]') as string[]; // likewise

interface Container {
  /** Of the server, seen from outside. */
  pid(): number;
  output(): string;
  kill(signal: NodeJS.Signals): void;
  exit: Promise<number | null>;
}

/** Another root: the system's programs, the image's content, a volume and /tmp that may be written, nothing else. */
async function startContainer(folder: string, env: Record<string, string>): Promise<Container> {
  const root = join(folder, 'root');
  await mkdir(root);
  await chmod(folder, 0o755);
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
    kill: (signal) => {
      if (child.exitCode === null) process.kill(signal === 'SIGKILL' ? (child.pid ?? 0) : pid(), signal);
    },
    exit,
  };
}
