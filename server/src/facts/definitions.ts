// Changes of what an application's rules and activities mean: its activity types, facts and attribute definitions.
// Each takes the application's row first, which orders them, and raises the number by which caches notice.

import { sql, type Queryable } from '../database/database.ts';
import { notFound } from '../errors.ts';
import { FIRST_CUSTOM_ID } from '../rules/platform.ts';

/** The first statement of a transaction that changes definitions. Holds the application's row until its end. */
export async function raiseDefinitionsVersion(tx: Queryable, applicationId: number): Promise<number> {
  const { rows } = await tx.query<{ version: number }>(sql`
    update applications set definitions_version = definitions_version + 1 where id = ${applicationId}
    returning definitions_version as version`);
  if (!rows[0]) throw notFound();
  return rows[0].version;
}

/** Types and facts share one range of ids, since both are what totals are kept of. Needs the application's row. */
export async function nextDefinitionId(tx: Queryable, applicationId: number): Promise<number> {
  const { rows } = await tx.query<{ id: number }>(sql`
    select greatest(${FIRST_CUSTOM_ID - 1}::int, (select max(id) from activity_types where application_id = ${applicationId}),
      (select max(id) from facts where application_id = ${applicationId}),
      (select max(id) from dropped_facts where application_id = ${applicationId})) + 1 as id`);
  return rows[0]?.id ?? FIRST_CUSTOM_ID;
}
