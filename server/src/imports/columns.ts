// The columns of a CSV of profiles or activities. All of them are known, or the caller said what they are: a misspelt
// header would lose a column of data without a word.

import { findHeader, headerKey, tellHeaders } from '../files/columns.ts';
import { invalid } from '../errors.ts';

/** By the key of their headers; null: what our own exports carry and nobody can write. */
const FIELDS: Record<'profiles' | 'activities', Record<string, string | null>> = {
  profiles: {
    id: 'id',
    profileid: 'id',
    customid: 'custom_id',
    nickname: 'nickname',
    customdata: 'custom_data',
    accesstoken: 'access_token',
    attributes: 'attributes',
    createdat: 'created_at',
    updatedat: null,
    lastactiveat: null,
    url: null,
    clientid: null,
    subscribechannel: null,
  },
  activities: {
    id: 'id',
    type: 'type',
    profileid: 'profile_id',
    customid: 'custom_id',
    occurredat: 'occurred_at',
    value: 'value',
    data: 'data',
    sentby: 'sent_by',
    receivedat: null,
  },
};

export type TableKind = keyof typeof FIELDS;

/** `attributes.team`: a column of one attribute. */
const ATTRIBUTE = /^\s*attributes?[.:](.+)$/i;

export interface AskedColumns {
  /** `field:header`, of headers that are not known. */
  columns: string[];
  ignoreUnknown: boolean;
}

/** The field of each column; null of those that are left out. */
export function findFields(kind: TableKind, headers: string[], asked: AskedColumns): (string | null)[] {
  const fields = headers.map((header) => fieldOf(kind, header));
  for (const pair of asked.columns) {
    const [field, header] = readPair(kind, pair);
    const index = findHeader(headers, header);
    fields.forEach((known, place) => {
      if (known === field && place !== index) fields[place] = null;
    });
    fields[index] = field;
  }
  const unknown = headers.filter((_, index) => fields[index] === undefined);
  if (unknown.length > 0 && !asked.ignoreUnknown) throw unknownHeaders(kind, unknown, headers);
  const taken = fields.map((field) => field ?? null);
  const repeated = taken.find(
    (field, index) => field !== null && taken.indexOf(field) !== index && !ATTRIBUTE.test(field),
  );
  if (repeated !== undefined && repeated !== null)
    throw invalid('column', `More than one column is taken for ${repeated}: ${tellHeaders(headers)}.`);
  requireFields(kind, taken, headers);
  return taken;
}

export const knownFields =
  (kind: TableKind) =>
  (headers: string[]): number =>
    headers.filter((header) => fieldOf(kind, header) !== undefined).length;

/** Undefined: not known. */
export function fieldOf(kind: TableKind, header: string): string | null | undefined {
  const attribute = kind === 'profiles' ? ATTRIBUTE.exec(header)?.[1]?.trim() : undefined;
  if (attribute) return `attributes.${attribute}`;
  const key = headerKey(header);
  return Object.hasOwn(FIELDS[kind], key) ? FIELDS[kind][key] : undefined;
}

function readPair(kind: TableKind, pair: string): [field: string, header: string] {
  const at = pair.indexOf(':');
  const field = at === -1 ? undefined : fieldOf(kind, pair.slice(0, at));
  if (typeof field === 'string') return [field, pair.slice(at + 1)];
  throw invalid('column', `This must be <field>:<header>, with a field of: ${tellFields(kind)}.`);
}

function unknownHeaders(kind: TableKind, unknown: string[], headers: string[]): Error {
  const they =
    unknown.length === headers.length
      ? 'No header is known'
      : `Not every header is known: ${tellHeaders(unknown)} are not`;
  return invalid(
    'column',
    `${they}. These were seen: ${tellHeaders(headers)}. Known are: ${tellFields(kind)}. Name others with column=<field>:<header>, ` +
      'or leave them out with ignore_unknown=true.',
  );
}

function tellFields(kind: TableKind): string {
  const names = [...new Set(Object.values(FIELDS[kind]).filter((field) => field !== null))];
  return [...names, ...(kind === 'profiles' ? ['attributes.<key>'] : [])].join(', ');
}

function requireFields(kind: TableKind, fields: (string | null)[], headers: string[]): void {
  const isMissing = (field: string): boolean => !fields.includes(field);
  const missing: string[] = [];
  if (kind === 'activities') {
    for (const field of ['id', 'type']) if (isMissing(field)) missing.push(field);
    if (isMissing('profile_id') && isMissing('custom_id')) missing.push('profile_id or custom_id');
  } else if (isMissing('id') && isMissing('custom_id')) missing.push('custom_id or id');
  if (missing.length > 0)
    throw invalid('column', `There is no column ${missing.join(', none ')}. These were seen: ${tellHeaders(headers)}.`);
}
