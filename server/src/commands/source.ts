// `grandstand source`: systems that send what fans do, made, listed, looked into, their keys rotated.

import { defineCommand } from 'citty';
import type { Application } from '../applications/application.ts';
import { ConfigError, originOf } from '../config.ts';
import type { Context } from '../context.ts';
import { readUuid } from '../ids.ts';
import { formatInstant } from '../instant.ts';
import {
  KINDS,
  MAX_NAME,
  MAX_WRITE_KEY,
  MIN_WRITE_KEY,
  presentSource,
  PROBLEMS_KEPT,
  TRUSTS,
  type Source,
} from '../sources/source.ts';
import { createSource, rotateKey } from '../sources/source-service.ts';
import { findSource, listProblems, listSources } from '../sources/source-store.ts';
import { audited } from './audited.ts';
import { readCountOption } from './count-option.ts';
import { explained } from './explained.ts';
import { findApplication } from './find-application.ts';
import { withApp } from './open-app.ts';

const app = { type: 'string', description: 'Client id of the application. Default: the first one.' } as const;
const id = { type: 'positional', required: true, description: 'Its id, as `source list` shows it.' } as const;
const key = {
  type: 'string',
  description: 'The key; of LiveLike required: the client secret there. Default: a new one.',
} as const;

const create = defineCommand({
  meta: { name: 'create', description: 'Make a source and show its write key, once.' },
  args: {
    name: { type: 'positional', required: true, description: 'For people: which system it is.' },
    kind: { type: 'string', default: 'segment', description: `What it speaks: ${KINDS.join(', ')}.` },
    trust: { type: 'string', default: 'server', description: `Where its key stands: ${TRUSTS.join(', ')}.` },
    'write-key': key,
    app,
  },
  async run({ args }) {
    const kind = readWord('kind', args.kind, KINDS);
    const trust = readWord('trust', args.trust, TRUSTS);
    if (args.name.length > MAX_NAME) throw new ConfigError(`The name may have at most ${MAX_NAME} characters.`);
    const writeKey = readKey(args['write-key']);
    await withApp(async (opened) => {
      const { context } = opened.app;
      const application = await findApplication(context, args.app);
      const fields = { name: args.name, kind, trust, ...(writeKey !== undefined && { write_key: writeKey }) };
      const made = await explained(() =>
        audited(context, application, { action: 'createSource', request: fields }, () =>
          createSource(context, application, fields, 'command line'),
        ),
      );
      const { endpoint } = presentSource(made.source, originOf(context.config));
      process.stdout.write(`id         ${made.source.id}\nendpoint   ${endpoint}\nwrite key  ${made.writeKey}\n`);
    });
  },
});

const list = defineCommand({
  meta: { name: 'list', description: 'List the sources.' },
  args: { app },
  run: ({ args }) =>
    withApp(async (opened) => {
      const { context } = opened.app;
      const application = await findApplication(context, args.app);
      for (const row of await listSources(context.db, application.id)) {
        const received = row.last_received_at === null ? 'never' : formatInstant(row.last_received_at);
        process.stdout.write(
          `${row.id}\t${row.kind}\t${row.trust}\t${row.problems} problems\treceived ${received}\t${row.name}\n`,
        );
      }
    }),
});

const problems = defineCommand({
  meta: { name: 'problems', description: 'List what was refused or led nowhere lately, newest first, and why.' },
  args: { id, app, limit: { type: 'string', default: '20', description: `How many, at most ${PROBLEMS_KEPT}.` } },
  async run({ args }) {
    const limit = readCountOption('limit', args.limit, PROBLEMS_KEPT);
    await withApp(async (opened) => {
      const { context } = opened.app;
      const source = await find(context, await findApplication(context, args.app), args.id);
      for (const item of await listProblems(context.db, source.id, limit))
        process.stdout.write(
          `${formatInstant(item.at)}\t${item.outcome}\t${oneLine(item.call)}\t${oneLine(item.name ?? '-')}\t${oneLine(item.reason ?? '-')}\n`,
        );
    });
  },
});

const rotate = defineCommand({
  meta: {
    name: 'rotate-key',
    description: 'Give a source a new write key and show it, once. The old one is taken for another 24 hours.',
  },
  args: { id, 'write-key': key, app },
  async run({ args }) {
    const given = readKey(args['write-key']);
    await withApp(async (opened) => {
      const { context } = opened.app;
      const application = await findApplication(context, args.app);
      const source = await find(context, application, args.id);
      const change = { action: 'rotateSourceKey', object: { type: 'source', id: source.id, name: source.name } };
      const writeKey = await explained(() =>
        audited(context, application, change, () => rotateKey(context, application, source.id, given)),
      );
      process.stdout.write(`${writeKey}\n`);
    });
  },
});

async function find(context: Context, application: Application, text: string): Promise<Source> {
  const uuid = readUuid(text);
  const source = uuid === undefined ? undefined : await findSource(context.db, application.id, uuid);
  if (!source) throw new ConfigError(`There is no source '${text}' in ${application.client_id}.`);
  return source;
}

function readWord<Word extends string>(option: string, text: string, words: readonly Word[]): Word {
  const word = words.find((each) => each === text);
  if (word === undefined) throw new ConfigError(`--${option}: must be ${words.join(' or ')}, not "${text}".`);
  return word;
}

function readKey(text: string | undefined): string | undefined {
  if (text !== undefined && (text.length < MIN_WRITE_KEY || text.length > MAX_WRITE_KEY))
    throw new ConfigError(`--write-key: must have ${MIN_WRITE_KEY} to ${MAX_WRITE_KEY} characters.`);
  return text;
}

/** Somebody else's text: a table of one line each, and nothing that a terminal would obey. */
// eslint-disable-next-line no-control-regex -- those are meant
const oneLine = (text: string): string => text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ');

export const sourceCommand = defineCommand({
  meta: { name: 'source', description: 'Make and list sources, see their problems, rotate their keys.' },
  subCommands: { create, list, problems, 'rotate-key': rotate },
});
