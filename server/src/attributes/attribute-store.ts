import { sql, type Queryable } from '../database/database.ts';
import type { Fact, FactSpec } from '../rules/attribute.ts';
import type { DefinitionRow } from '../rules/catalogue.ts';
import type { RuleTree } from '../rules/tree.ts';

export async function findDefinition(
  db: Queryable,
  applicationId: number,
  key: string,
): Promise<DefinitionRow | undefined> {
  const { rows } = await db.query<DefinitionRow>(sql`
    select key, label, description, category, type, unit, choices, writable_by, visible_to, derived_from
    from attribute_definitions where application_id = ${applicationId} and key = ${key}`);
  return rows[0];
}

export async function countDefinitions(db: Queryable, applicationId: number): Promise<number> {
  const { rows } = await db.query<{ count: number }>(sql`
    select count(*) as count from attribute_definitions where application_id = ${applicationId}`);
  return rows[0]?.count ?? 0;
}

export async function insertDefinition(
  tx: Queryable,
  applicationId: number,
  id: string,
  row: DefinitionRow,
  now: string,
): Promise<void> {
  await tx.query(sql`
    insert into attribute_definitions (id, application_id, key, label, description, category, type, unit, choices, writable_by, visible_to,
      derived_from, created_at, updated_at)
    values (${id}, ${applicationId}, ${row.key}, ${row.label}, ${row.description}, ${row.category}, ${row.type}, ${row.unit},
      ${row.choices === null ? null : JSON.stringify(row.choices)}, ${row.writable_by}, ${row.visible_to},
      ${row.derived_from === null ? null : JSON.stringify(row.derived_from)}, ${now}, ${now})`);
}

export async function updateDefinition(
  tx: Queryable,
  applicationId: number,
  row: DefinitionRow,
  now: string,
): Promise<void> {
  await tx.query(sql`
    update attribute_definitions set label = ${row.label}, description = ${row.description}, category = ${row.category}, unit = ${row.unit},
      choices = ${row.choices === null ? null : JSON.stringify(row.choices)}, writable_by = ${row.writable_by}, visible_to = ${row.visible_to},
      updated_at = ${now}
    where application_id = ${applicationId} and key = ${row.key}`);
}

export async function deleteDefinition(tx: Queryable, applicationId: number, key: string): Promise<void> {
  await tx.query(sql`delete from attribute_definitions where application_id = ${applicationId} and key = ${key}`);
}

export async function countFacts(db: Queryable, applicationId: number): Promise<number> {
  const { rows } = await db.query<{ count: number }>(
    sql`select count(*) as count from facts where application_id = ${applicationId}`,
  );
  return rows[0]?.count ?? 0;
}

/** A fact of which totals are not complete yet. */
export async function insertFact(tx: Queryable, applicationId: number, id: number, fact: FactSpec): Promise<void> {
  await tx.query(sql`
    insert into facts (application_id, id, type_id, key, equals, value_type, built)
    values (${applicationId}, ${id}, ${fact.typeId}, ${fact.key}, ${fact.equals === null ? null : JSON.stringify(fact.equals)}::jsonb,
      ${fact.valueType}, false)`);
}

export interface UnbuiltFact extends Fact {
  applicationId: number;
}

export async function listUnbuiltFacts(db: Queryable): Promise<UnbuiltFact[]> {
  const { rows } = await db.query<UnbuiltFact>(sql`
    select application_id as "applicationId", id, type_id as "typeId", key, equals, value_type as "valueType", built
    from facts where not built order by application_id, id`);
  return rows;
}

/** From its commit on no activity is counted towards it; what it counted is deleted later. */
export async function dropFact(tx: Queryable, applicationId: number, id: number): Promise<void> {
  await tx.query(sql`delete from facts where application_id = ${applicationId} and id = ${id}`);
  await tx.query(sql`insert into dropped_facts (application_id, id) values (${applicationId}, ${id})`);
}

export interface DroppedFact {
  applicationId: number;
  id: number;
}

export async function listDroppedFacts(db: Queryable): Promise<DroppedFact[]> {
  const { rows } = await db.query<DroppedFact>(sql`
    select application_id as "applicationId", id from dropped_facts order by application_id, id`);
  return rows;
}

/** A slice of the totals of a fact; how many rows it was. */
export async function deleteTotalsOf(
  db: Queryable,
  applicationId: number,
  factId: number,
  limit: number,
): Promise<number> {
  const { count } = await db.query(sql`
    with slice as materialized (
      select profile_id, fact_id from totals where application_id = ${applicationId} and fact_id = ${factId} limit ${limit})
    delete from totals t using slice s where t.profile_id = s.profile_id and t.fact_id = s.fact_id`);
  return count;
}

export async function forgetDroppedFact(db: Queryable, applicationId: number, id: number): Promise<void> {
  await db.query(sql`delete from dropped_facts where application_id = ${applicationId} and id = ${id}`);
}

export async function markBuilt(tx: Queryable, applicationId: number, factId: number): Promise<void> {
  await tx.query(sql`update facts set built = true where application_id = ${applicationId} and id = ${factId}`);
}

export interface SliceProfile {
  profile_id: string;
  ordinal: number;
}

/** Profiles that have activities of this type, by ordinal. */
export async function listProfilesWithFact(
  db: Queryable,
  applicationId: number,
  factId: number,
  afterOrdinal: number,
  limit: number,
): Promise<SliceProfile[]> {
  const { rows } = await db.query<SliceProfile>(sql`
    select profile_id, ordinal from totals
    where application_id = ${applicationId} and fact_id = ${factId} and ordinal > ${afterOrdinal} order by ordinal limit ${limit}`);
  return rows;
}

/** Active groups with the rule saved last and, where it differs, the one that is served. */
export async function listActiveRules(
  db: Queryable,
  applicationId: number,
): Promise<{ id: string; name: string; rule_tree: RuleTree }[]> {
  const { rows } = await db.query<{ id: string; name: string; rule_tree: RuleTree }>(sql`
    select g.id, g.name, r.rule_tree from groups g join group_heads h on h.group_id = g.id
    join rulesets r on r.group_id = g.id and r.id in (g.ruleset_id, h.served_ruleset_id)
    where g.application_id = ${applicationId} and g.is_active order by g.name, g.id`);
  return rows;
}
