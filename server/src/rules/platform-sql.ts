// The platform's types and facts as the text of the migrations that insert them, which a test holds equal to platform.ts.

import { PLATFORM_FACTS, PLATFORM_TYPE_LISTS } from './platform.ts';
import type { ActivityType } from './attribute.ts';

/** The whole of server/migrations/0002-platform.sql. */
export function platformMigration(): string {
  const facts = PLATFORM_FACTS.map((fact) => {
    const equals = fact.equals === null ? 'null' : text(JSON.stringify(fact.equals));
    const valueType = fact.valueType === null ? 'null' : text(fact.valueType);
    return `  (0, ${fact.id}, ${fact.typeId}, ${text(fact.key)}, ${equals}, ${valueType}, true)`;
  });
  return [
    "-- The platform's activity types, and the facts kept beyond them. Generated from rules/platform.ts; a test compares.",
    '',
    typesStatement(PLATFORM_TYPE_LISTS[0] ?? []),
    '',
    'insert into facts (application_id, id, type_id, key, equals, value_type, built) values',
    `${facts.join(',\n')};`,
    '',
  ].join('\n');
}

/** Inserts these types. */
export const typesStatement = (types: readonly ActivityType[]): string =>
  [
    'insert into activity_types (application_id, id, type, label, client, registered, created_at) values',
    types
      .map(
        ({ id, type, label, client }) =>
          `  (0, ${id}, ${text(type)}, ${text(label)}, ${client}, true, '2025-01-01T00:00:00Z')`,
      )
      .join(',\n'),
  ].join('\n') + ';';

function text(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}
