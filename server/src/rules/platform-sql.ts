// The platform's types and facts as the text of migration 0002, which a test holds equal to platform.ts.

import { PLATFORM_FACTS, PLATFORM_TYPES } from './platform.ts';

/** The whole of server/migrations/0002-platform.sql. */
export function platformMigration(): string {
  const types = PLATFORM_TYPES.map(
    (type) =>
      `  (0, ${type.id}, ${text(type.type)}, ${text(type.label)}, ${type.client}, true, '2025-01-01T00:00:00Z')`,
  );
  const facts = PLATFORM_FACTS.map((fact) => {
    const equals = fact.equals === null ? 'null' : text(JSON.stringify(fact.equals));
    const valueType = fact.valueType === null ? 'null' : text(fact.valueType);
    return `  (0, ${fact.id}, ${fact.typeId}, ${text(fact.key)}, ${equals}, ${valueType}, true)`;
  });
  return [
    "-- The platform's activity types, and the facts kept beyond them. Generated from rules/platform.ts; a test compares.",
    '',
    'insert into activity_types (application_id, id, type, label, client, registered, created_at) values',
    `${types.join(',\n')};`,
    '',
    'insert into facts (application_id, id, type_id, key, equals, value_type, built) values',
    `${facts.join(',\n')};`,
    '',
  ].join('\n');
}

function text(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}
