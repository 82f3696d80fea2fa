// The filters of the profile list, from its query.

import { Type } from 'typebox';
import { ValidationError, type FieldErrors } from '../errors.ts';
import { readUuid } from '../ids.ts';
import { readInstant } from '../http/range.ts';
import { formatInstant } from '../instant.ts';
import { MAX_SEARCH } from './search.ts';
import type { ProfileFilter } from './profile-store.ts';

type Query = Record<string, string | string[] | undefined>;

const text = (description: string) => Type.Optional(Type.Unsafe<string>({ type: 'string', description }));

export const AttributesQuery = Type.Optional(
  Type.Unsafe<string | string[]>({
    type: ['string', 'array'],
    items: { type: 'string' },
    description: '`key:value`, split at the first colon. Given several times, all must match.',
    examples: ['team:lions'],
  }),
);

const MAX_IDS = 100;

export const ProfileFilterQuery = {
  id: Type.Optional(
    Type.Unsafe<string | string[]>({
      type: ['string', 'array'],
      items: { type: 'string' },
      maxItems: MAX_IDS,
      description: `The profiles with these ids; given up to ${MAX_IDS} times.`,
      examples: ['174cc6dd-c1da-42d2-886e-c48b2bf803a8'],
    }),
  ),
  nickname: text('Nicknames that start with this, in any case.'),
  search: Type.Optional(
    Type.String({
      maxLength: MAX_SEARCH,
      description:
        'Profiles whose nickname has words that start with these, in any case and without regard to accents, or whose custom id starts with this.',
      examples: ['hors'],
    }),
  ),
  custom_id: text('The profile with this custom id.'),
  attributes: AttributesQuery,
  created_since: text('Made at or after this instant.'),
  created_until: text('Made before this instant.'),
  last_active_since: text('Newest activity at or after this instant.'),
  last_active_until: text('Newest activity before this instant.'),
};

export function readProfileFilter(query: Query): ProfileFilter | undefined {
  const errors: FieldErrors = {};
  const instant = (name: string): string | undefined => {
    const parsed = readInstant(query, name, errors);
    return parsed === undefined ? undefined : formatInstant(parsed);
  };
  const filter: ProfileFilter = { attributes: readAttributeFilters(query['attributes'], errors) };
  const { nickname, search, custom_id: customId, id } = query;
  if (id !== undefined) {
    filter.ids = [id].flat().flatMap((one) => readUuid(one) ?? []);
    if (filter.ids.length < [id].flat().length) errors['id'] = ['This must be the UUID of a profile.'];
  }
  if (typeof nickname === 'string' && nickname !== '') filter.nickname = nickname;
  if (typeof search === 'string' && search.trim() !== '') filter.search = search.trim();
  if (typeof customId === 'string') filter.customId = customId;
  const [createdSince, createdUntil] = [instant('created_since'), instant('created_until')];
  const [activeSince, activeUntil] = [instant('last_active_since'), instant('last_active_until')];
  if (createdSince !== undefined) filter.createdSince = createdSince;
  if (createdUntil !== undefined) filter.createdUntil = createdUntil;
  if (activeSince !== undefined) filter.activeSince = activeSince;
  if (activeUntil !== undefined) filter.activeUntil = activeUntil;
  if (Object.keys(errors).length > 0) throw new ValidationError(errors);
  const isEmpty = Object.keys(filter).length === 1 && filter.attributes.length === 0;
  return isEmpty ? undefined : filter;
}

/** `key:value` pairs, each split at its first colon. */
export function readAttributeFilters(
  value: string | string[] | undefined,
  errors: FieldErrors,
): { key: string; value: string }[] {
  const parts = value === undefined ? [] : [value].flat();
  return parts.flatMap((part) => {
    const colon = part.indexOf(':');
    if (colon < 1) {
      errors['attributes'] = ['This must be key:value.'];
      return [];
    }
    return [{ key: part.slice(0, colon), value: part.slice(colon + 1) }];
  });
}
