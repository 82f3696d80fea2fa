// The filters of the group list, from its query.

import { Type } from 'typebox';
import { ValidationError, type FieldErrors } from '../errors.ts';
import { AttributesQuery, readAttributeFilters } from '../profiles/profile-filter.ts';
import type { GroupFilter } from './group-store.ts';

const text = (description: string) => Type.Optional(Type.Unsafe<string>({ type: 'string', description }));

export const GroupFilterQuery = {
  membership_type: text('`static` or `dynamic`.'),
  custom_id: text('The group with this custom id.'),
  name: text('Names that start with this, in any case.'),
  attributes: AttributesQuery,
  is_active: text('`false`: the groups that were deactivated. Default `true`.'),
};

type Query = Record<string, string | string[] | undefined>;

export function readGroupFilter(query: Query): GroupFilter {
  const errors: FieldErrors = {};
  const { membership_type: membershipType, custom_id: customId, name, is_active: isActive = 'true' } = query;
  const filter: GroupFilter = {
    isActive: isActive !== 'false',
    attributes: readAttributeFilters(query['attributes'], errors),
  };
  if (isActive !== 'true' && isActive !== 'false') errors['is_active'] = ['This must be true or false.'];
  if (membershipType === 'static' || membershipType === 'dynamic') filter.membershipType = membershipType;
  else if (membershipType !== undefined) errors['membership_type'] = ['This must be one of: static, dynamic.'];
  if (typeof customId === 'string') filter.customId = customId;
  if (typeof name === 'string' && name !== '') filter.name = name;
  if (Object.keys(errors).length > 0) throw new ValidationError(errors);
  return filter;
}
