// Files that operators take as they are, held against what the program knows: variables, commands, paths, ports. What Docker,
// Kubernetes and systemd make of them is checked by their own programs where those are installed.

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { VARIABLES, readConfig } from '../src/config.ts';

const ROOT = join(import.meta.dirname, '../..');
const DEPLOY = join(ROOT, 'deploy');
const read = (name: string): string => readFileSync(join(ROOT, name), 'utf8');

/** What is not ours: of Node, and of the other images. */
const FOREIGN = /^(NODE_ENV|POSTGRES_\w+|DB_\w+|AUTH_TYPE|POOL_MODE|DEFAULT_POOL_SIZE|MAX_CLIENT_CONN)$/;
const unknown = (names: string[]): string[] =>
  names.filter((name) => !Object.hasOwn(VARIABLES, name) && !FOREIGN.test(name));

const has = (program: string, ...args: string[]): boolean => {
  try {
    execFileSync(program, args, { stdio: 'ignore' });
    return true;
  } catch {
    process.stderr.write(`*** NO ${program}: what it says of files in deploy/ is not tested. ***\n`);
    return false;
  }
};

describe('.env.example', () => {
  it('names every variable, sets none, and each may be set as it stands there', () => {
    const lines = read('deploy/.env.example').split('\n');
    const names = lines.filter((line) => /^#[A-Z_]+=$/.test(line)).map((line) => line.slice(1, -1));
    expect(names).toEqual(Object.keys(VARIABLES));
    expect(lines.filter((line) => line !== '' && !line.startsWith('#'))).toEqual([]);
    expect(() => readConfig(Object.fromEntries(names.map((name) => [name, ''])))).not.toThrow();
  });
});

describe('the Dockerfile', () => {
  const dockerfile = read('Dockerfile');

  it('runs as a user with a name, listens where it says, and holds nothing secret', () => {
    const final = dockerfile.slice(dockerfile.lastIndexOf('\nFROM '));
    expect(final).toMatch(/^USER node$/m);
    expect(final.indexOf('USER node')).toBeGreaterThan(final.lastIndexOf('\nCOPY '));
    expect(final).toMatch(/^VOLUME \/var\/lib\/grandstand$/m);
    expect(final).toMatch(/^HEALTHCHECK /m);
    const variables = [...(/^ENV ([\s\S]*?[^\\])\n/m.exec(final)?.[1] ?? '').matchAll(/(\w+)=(\S+)/g)];
    expect(unknown(variables.map(([, name = '']) => name))).toEqual([]);
    const config = readConfig(Object.fromEntries(variables.map(([, name, value]) => [name, value])));
    expect(final).toContain(`EXPOSE ${config.port}\n`);
    expect(config.host).toBe('0.0.0.0');
  });

  it('copies what is there, and pins what it is made from', () => {
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+)$/gm)].flatMap(([, words = '']) =>
      words.split(' ').slice(0, -1),
    );
    for (const path of copied) expect(existsSync(join(ROOT, path)), path).toBe(true);
    for (const [, image = ''] of dockerfile.matchAll(/^FROM (\S+)/gm)) expect(image).toMatch(/:\$?[\w{}.-]+$/);
    for (const [, script = ''] of dockerfile.matchAll(/node (scripts\/\S+)/g))
      expect(existsSync(join(ROOT, script))).toBe(true);
    for (const [, file = ''] of dockerfile.matchAll(/"\/opt\/grandstand\/(bin\/[^"]+)"/g))
      expect(existsSync(join(ROOT, 'server', file)), file).toBe(true);
  });
});

interface Service {
  image: string;
  environment?: Record<string, string>;
  ports?: string[];
  read_only?: boolean;
  cap_drop?: string[];
  depends_on?: Record<string, unknown>;
}
interface Compose {
  services: Record<string, Service>;
  volumes?: Record<string, unknown>;
}

describe('the compose files', () => {
  const compose = (name: string): Compose => parse(read(`deploy/${name}`), { merge: true }) as Compose; // as Docker reads it
  const files = readdirSync(DEPLOY).filter((name) => name.startsWith('compose'));

  it('are those that the guide names', () => {
    expect(files).toEqual(['compose.pgbouncer.yaml', 'compose.postgres.yaml', 'compose.yaml']);
  });

  it('run the version of the program', () => {
    const { version } = JSON.parse(read('server/package.json')) as { version: string };
    const images = files.flatMap((name) => [...read(`deploy/${name}`).matchAll(/\$\{GRANDSTAND_IMAGE:-(.+)\}/g)]);
    expect(images.map(([, image]) => image)).toEqual(images.map(() => `grandstand:${version}`));
    expect(images.length).toBeGreaterThan(1);
  });

  it.each(files)('%s sets variables that there are, and only this machine reaches it', (name) => {
    const { services } = compose(name);
    const base = name === 'compose.pgbouncer.yaml' ? compose('compose.postgres.yaml').services : services;
    for (const [service, { environment = {}, ports = [], depends_on: needs = {}, ...rest }] of Object.entries(
      services,
    )) {
      expect(unknown(Object.keys(environment)), service).toEqual([]);
      for (const port of ports) expect(port, service).toMatch(/^127\.0\.0\.1:\d+:7070$/);
      for (const other of Object.keys(needs)) expect({ ...base, ...services }).toHaveProperty(other);
      if (!('image' in rest) || !rest.image.includes('GRANDSTAND_IMAGE')) continue;
      expect(rest, service).toMatchObject({ read_only: true, tmpfs: ['/tmp'], cap_drop: ['ALL'] });
      // What Compose puts in is of the form that it must have.
      const filled = Object.entries(environment).map(([key, value]) => [
        key,
        value.replace(/\$\{\w+:\?[^}]*\}/g, 'x'.repeat(40)),
      ]);
      expect(() => readConfig(Object.fromEntries(filled) as Record<string, string>), service).not.toThrow();
    }
  });

  it('together put the pooler between processes and database', () => {
    const [base, over] = [compose('compose.postgres.yaml'), compose('compose.pgbouncer.yaml')];
    for (const service of ['api', 'worker']) {
      expect(base.services[service]?.environment?.['DATABASE_URL']).toContain('@postgres:5432/grandstand');
      expect(over.services[service]?.environment?.['DATABASE_URL']).toContain('@pgbouncer:5432/grandstand');
    }
  });
});

describe('the Helm chart', () => {
  const chart = join(DEPLOY, 'helm/grandstand');
  const templates = readdirSync(join(chart, 'templates')).map(
    (name) => [name, readFileSync(join(chart, 'templates', name), 'utf8')] as const,
  );
  const values = parse(read('deploy/helm/grandstand/values.yaml')) as Record<string, unknown>; // ours

  it('has the version of the program, and every value that its templates ask for', () => {
    const { version } = JSON.parse(read('server/package.json')) as { version: string };
    expect(parse(read('deploy/helm/grandstand/Chart.yaml'))).toMatchObject({ version, appVersion: version });
    const asked = templates.flatMap(([, text]) =>
      [...text.matchAll(/(?:\.Values|\$values)\.([\w.]+)/g)].map(([, path = '']) => path),
    );
    expect(asked.length).toBeGreaterThan(20);
    for (const path of asked) expect(values).toHaveProperty(path);
    expect(unknown(Object.keys(values['env'] as object))).toEqual([]);
    const set = templates.flatMap(([, text]) =>
      [...text.matchAll(/- name: ([A-Z_]+)$/gm)].map(([, name = '']) => name),
    );
    expect(set).toEqual(['HOST', 'PORT', 'DATA_DIR', 'ROLE', 'DATABASE_URL', 'SECRET_KEY']);
    expect(unknown(set)).toEqual([]);
  });

  interface Rendered {
    kind: string;
    metadata: { name: string };
    spec: {
      selector?: { matchLabels?: Record<string, string> } & Record<string, unknown>;
      template?: {
        metadata: { labels: Record<string, string> };
        spec: { containers: { env: { name: string; value?: string }[] }[] };
      };
    };
  }
  const render = (...settings: string[]): Rendered[] =>
    parseAllDocuments(
      execFileSync('helm', ['template', 'test', chart, ...settings.flatMap((set) => ['--set', set])], {
        encoding: 'utf8',
      }),
    )
      .map((document) => document.toJS() as Rendered | null) // as the chart makes it
      .filter((object) => object !== null);

  it.skipIf(!has('helm', 'version'))(
    'renders one server with its database, or servers and workers on another, with selectors that find their pods',
    () => {
      execFileSync('helm', ['lint', '--strict', chart], { stdio: 'ignore' });
      const kinds = (objects: Rendered[]): string[] => objects.map(({ kind }) => kind).toSorted();
      const embedded = render();
      expect(kinds(embedded)).toEqual(['Service', 'StatefulSet']);
      const apart = render(
        'existingSecret=keys',
        'ingress.enabled=true',
        'ingress.tlsSecret=tls',
        'podMonitor.enabled=true',
      );
      expect(kinds(apart)).toEqual([
        'Deployment',
        'Deployment',
        'Ingress',
        'PodDisruptionBudget',
        'PodMonitor',
        'Service',
      ]);
      const roles = [...embedded, ...apart].flatMap(({ spec: { template, selector } }) => {
        if (!template) return [];
        expect(template.metadata.labels).toMatchObject(selector?.matchLabels ?? { none: '' });
        return template.spec.containers.map(({ env }) => env.find(({ name }) => name === 'ROLE')?.value);
      });
      expect(roles.toSorted()).toEqual(['all', 'api', 'worker']);
    },
  );
});

describe('the systemd units', () => {
  const units = readdirSync(join(DEPLOY, 'systemd'));

  it.each(units)('%s starts a command that there is, with variables that there are', (name) => {
    const unit = read(`deploy/systemd/${name}`);
    const variables = [...unit.matchAll(/^(?:Environment=|ExecStart=\/usr\/bin\/env )(.*)$/gm)].flatMap(
      ([, words = '']) => [...words.matchAll(/\b([A-Z_]+)=/g)].map(([, variable = '']) => variable),
    );
    expect(unknown(variables)).toEqual([]);
    expect(variables).toContain('DATA_DIR');
    expect(unit).toMatch(/\/opt\/grandstand\/bin\/grandstand start$/m);
    expect(unit).toMatch(/^KillMode=mixed$/m);
    expect(unit).toMatch(/^User=grandstand$/m);
  });

  it.skipIf(!has('systemd-analyze', '--version'))('are understood by systemd, and exposed to little', () => {
    for (const name of units) {
      const path = join(DEPLOY, 'systemd', name);
      // The program is not installed here; everything else must be right.
      const complaints = execFileSync('sh', ['-c', 'systemd-analyze verify --man=no "$1" 2>&1 || true', 'sh', path], {
        encoding: 'utf8',
      });
      expect(complaints.split('\n').filter((line) => line !== '' && !line.includes('is not executable'))).toEqual([]);
      execFileSync('systemd-analyze', ['security', '--offline=true', '--threshold=25', path], { stdio: 'ignore' });
    }
  });
});

describe('the workflows', () => {
  interface Step {
    run?: string;
    uses?: string;
  }
  interface Workflow {
    permissions?: Record<string, string>;
    jobs: Record<string, { strategy?: { matrix: Record<string, string[]> }; steps: Step[] }>;
  }
  const workflow = (name: string): Workflow => parse(read(`.github/workflows/${name}`)) as Workflow; // as GitHub reads it
  const steps = (name: string): Step[] => Object.values(workflow(name).jobs).flatMap((job) => job.steps);

  it('test the oldest Node and PostgreSQL that are promised, and the newer ones', () => {
    const { jobs } = workflow('test.yml');
    const { engines } = JSON.parse(read('package.json')) as { engines: { node: string } };
    const [oldest, ...newer] = jobs['node']?.strategy?.matrix['node'] ?? [];
    expect(engines.node).toBe(`>=${oldest}`);
    expect(newer).toEqual(['22', '24']);
    expect(jobs['postgres']?.strategy?.matrix['postgres']).toEqual(['15', '16', '17', '18']);
    expect(VARIABLES.DATABASE_URL).toContain('PostgreSQL 15 or later');
  });

  it.each(['test.yml', 'nightly.yml', 'release.yml'])(
    '%s runs scripts that there are, and has no more rights than it needs',
    (name) => {
      expect(Object.values(workflow(name).permissions ?? { all: 'write' })).not.toContain('write');
      const run = steps(name)
        .map((step) => step.run ?? '')
        .join('\n');
      for (const [, script = ''] of run.matchAll(/node (scripts\/\S+)/g))
        expect(existsSync(join(ROOT, script)), script).toBe(true);
      for (const [, file = ''] of run.matchAll(/(deploy\/[\w./-]+)/g))
        expect(existsSync(join(ROOT, file)), file).toBe(true);
      for (const { uses } of steps(name)) if (uses !== undefined) expect(uses).toMatch(/^[\w-]+\/[\w-]+@v\d+$/);
    },
  );

  it('publish nothing whose changes are not written down', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'grandstand-notes-'));
    try {
      await mkdir(join(folder, 'scripts'));
      await cp(join(ROOT, 'scripts/release-notes.mjs'), join(folder, 'scripts/release-notes.mjs'));
      await writeFile(
        join(folder, 'CHANGELOG.md'),
        '# Changes\n\n## 0.3.0, unreleased\n\n- c\n\n## 0.2.0, 2026-12-24\n\n- b\n\n## 0.1.0, 2026-12-01\n\n- a\n',
      );
      const notes = (version: string): string =>
        execFileSync(process.execPath, [join(folder, 'scripts/release-notes.mjs'), version], {
          encoding: 'utf8',
          stdio: 'pipe',
        });
      expect([notes('0.2.0'), notes('0.1.0')]).toEqual(['- b\n', '- a\n']);
      expect(() => notes('0.3.0')).toThrow('unreleased');
      expect(() => notes('0.2')).toThrow('no section');
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

describe('the licences of what is shipped', () => {
  it('ask for nothing but to be named', () => {
    const licences = [...read('docs/licences.md').matchAll(/^\| (\S+) \| \S+ \| (.+) \|$/gm)].slice(2);
    expect(licences.length).toBeGreaterThan(100);
    for (const [, name, licence] of licences)
      expect(
        [
          'MIT',
          'Apache-2.0',
          'ISC',
          'BSD-2-Clause',
          'BSD-3-Clause',
          'BlueOak-1.0.0',
          'Unlicense',
          '0BSD',
          'PostgreSQL',
        ],
        name,
      ).toContain(licence);
  });
});
