// Sources: created, changed, deleted, their key rotated. Keeps the invariant that a key of Segment's form leads to one source.

import type { Application } from '../applications/application.ts';
import { describeChange, pickAs } from '../audit/entry.ts';
import type { Context } from '../context.ts';
import { conflict, invalid, notFound, throwFound, ValidationError, type FieldErrors } from '../errors.ts';
import { newId } from '../ids.ts';
import { MICROS_PER_DAY } from '../instant.ts';
import { requireMatch } from '../profiles/profile-service.ts';
import { hashToken, randomText } from '../secrets.ts';
import { findMappingProblems } from './mapping.ts';
import { MAX_SOURCES, type Source, type SourceFields } from './source.ts';
import * as store from './source-store.ts';

export const KEY_GRACE = MICROS_PER_DAY;
const KEY_LENGTH = 32;
const KEY = /^[\x21-\x39\x3b-\x7e]+$/; // no colon: it ends the user name of Basic authentication

/** Throws what is wrong with the fields that met the schema. `before`: the source that they change. */
export async function checkFields(
  context: Context,
  application: Application,
  fields: SourceFields,
  before?: Pick<Source, 'kind'>,
): Promise<void> {
  const errors: FieldErrors = {};
  const kind = before?.kind ?? fields.kind;
  if (before === undefined && fields.kind === undefined) errors['kind'] = ['This field is required.'];
  if (before === undefined && fields.name === undefined) errors['name'] = ['This field is required.'];
  if (before !== undefined && fields.kind !== undefined && fields.kind !== before.kind)
    errors['kind'] = ['Cannot be changed.'];
  if (fields.name?.trim() === '') errors['name'] = ['This must not be blank.'];
  if (kind === 'livelike' && fields.trust === 'client')
    errors['trust'] = ['Webhooks of LiveLike are signed with a secret: their trust is `server`.'];
  if (before !== undefined && fields.write_key !== undefined)
    errors['write_key'] = ['Cannot be changed here: POST …/rotate-key/.'];
  else if (fields.write_key !== undefined && !KEY.test(fields.write_key))
    errors['write_key'] = ['This must be printable ASCII characters without blanks and colons.'];
  else if (before === undefined && kind === 'livelike' && fields.write_key === undefined)
    errors['write_key'] = ['This field is required: the client secret in LiveLike.'];
  if (fields.mapping) {
    const catalogue = await context.catalogues.get(application.id);
    Object.assign(errors, findMappingProblems(fields.mapping, catalogue));
  }
  throwFound(errors);
}

const hashOf = (kind: Source['kind'], key: string): Buffer | null => (kind === 'segment' ? hashToken(key) : null);

const keyTaken = (): ValidationError => invalid('write_key', 'This key is in use.');

export async function createSource(
  context: Context,
  application: Application,
  fields: SourceFields,
  actor: string,
): Promise<{ source: Source; writeKey: string }> {
  await checkFields(context, application, fields);
  const kind = fields.kind ?? 'segment'; // checked
  const writeKey = fields.write_key ?? randomText(KEY_LENGTH);
  const row: store.NewSource = {
    id: newId(),
    application_id: application.id,
    name: (fields.name ?? '').trim(),
    kind,
    trust: fields.trust ?? 'server',
    write_key: context.secrets.encrypt(writeKey),
    write_key_hash: hashOf(kind, writeKey),
    mapping: fields.mapping ?? {},
  };
  describeChange({ object: { type: 'source', id: row.id, name: row.name } });
  const source = await context.db.transaction(async (tx) => {
    if ((await store.countSources(tx, application.id)) >= MAX_SOURCES)
      throw conflict(`An application has at most ${MAX_SOURCES} sources.`);
    if (!(await store.insertSource(tx, row, actor, context.clock.now()))) throw keyTaken();
    return store.findSource(tx, application.id, row.id);
  });
  if (!source) throw notFound();
  return { source, writeKey };
}

export async function getSource(context: Context, application: Application, id: string): Promise<Source> {
  const source = await store.findSource(context.db, application.id, id);
  if (!source) throw notFound();
  return source;
}

export async function updateSource(
  context: Context,
  application: Application,
  id: string,
  fields: SourceFields,
  ifMatch?: string,
): Promise<Source> {
  const { name, trust, mapping } = fields;
  await checkFields(context, application, fields, await getSource(context, application, id));
  return context.db.transaction(async (tx) => {
    const before = await store.lockSource(tx, application.id, id);
    if (!before) throw notFound();
    requireMatch(ifMatch, before.updated_at);
    const change: store.SourceChange = {
      ...(name !== undefined && { name: name.trim() }),
      ...(trust !== undefined && { trust }),
      ...(mapping !== undefined && { mapping }),
    };
    describeChange({
      object: { type: 'source', id, name: before.name },
      before: pickAs(change, before),
      after: change,
    });
    await store.updateSource(tx, id, change, Math.max(context.clock.now(), before.updated_at + 1));
    const after = await store.findSource(tx, application.id, id);
    if (!after) throw notFound();
    return after;
  });
}

/** A new key. The old one is taken for a day, so that senders can be told of it. */
export async function rotateKey(
  context: Context,
  application: Application,
  id: string,
  given: string | undefined,
): Promise<string> {
  const before = await getSource(context, application, id);
  if (given === undefined && before.kind === 'livelike')
    throw invalid('write_key', 'This field is required: the client secret in LiveLike.');
  if (given !== undefined && !KEY.test(given))
    throw invalid('write_key', 'This must be printable ASCII characters without blanks and colons.');
  const writeKey = given ?? randomText(KEY_LENGTH);
  const hash = hashOf(before.kind, writeKey);
  await context.db.transaction(async (tx) => {
    const source = await store.lockSource(tx, application.id, id);
    if (!source) throw notFound();
    if (hash) {
      const holder = await store.findSourceByKey(tx, hash, context.clock.now());
      if (holder) throw keyTaken();
    }
    const now = Math.max(context.clock.now(), source.updated_at + 1);
    const key = { writeKey: context.secrets.encrypt(writeKey), hash, previousUntil: now + KEY_GRACE };
    await store.rotateKey(tx, id, key, now);
  });
  return writeKey;
}

export async function deleteSource(context: Context, application: Application, id: string): Promise<void> {
  await context.db.transaction(async (tx) => {
    if (!(await store.deleteSource(tx, application.id, id))) throw notFound();
  });
}
