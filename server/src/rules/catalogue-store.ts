// Reads what a catalogue is built from. Call it in one snapshot, or check definitions_version afterwards.

import { sql, type Queryable } from '../database/database.ts';
import type { ActivityType, Catalogue, Fact } from './attribute.ts';
import { buildCatalogue, type DefinitionRow } from './catalogue.ts';

/** The catalogue of one application as it stands, undefined where there is no such application. */
export async function loadCatalogue(db: Queryable, applicationId: number): Promise<Catalogue | undefined> {
  // One statement, so that version, types, facts and definitions are of one snapshot.
  const { rows } = await db.query<{
    version: number;
    timeZone: string;
    types: ActivityType[];
    facts: Fact[];
    definitions: DefinitionRow[];
    moves: { targetId: string; sourceId: string }[];
  }>(sql`
    select
      a.definitions_version as version, a.time_zone as "timeZone",
      (
        select coalesce(jsonb_agg(jsonb_build_object(
          'id', t.id, 'type', t.type, 'label', t.label, 'client', t.client, 'registered', t.registered
        ) order by t.id), '[]')
        from activity_types t where t.application_id = a.id
      ) as types,
      (
        select coalesce(jsonb_agg(jsonb_build_object(
          'id', f.id, 'typeId', f.type_id, 'key', f.key, 'equals', f.equals, 'valueType', f.value_type, 'built', f.built
        ) order by f.id), '[]')
        from facts f where f.application_id = a.id
      ) as facts,
      (
        select coalesce(jsonb_agg(jsonb_build_object(
          'key', d.key, 'label', d.label, 'description', d.description, 'category', d.category, 'type', d.type,
          'unit', d.unit, 'choices', d.choices, 'writable_by', d.writable_by, 'visible_to', d.visible_to,
          'derived_from', d.derived_from
        )), '[]')
        from attribute_definitions d where d.application_id = a.id
      ) as definitions,
      (
        select coalesce(jsonb_agg(jsonb_build_object('targetId', m.profile_id, 'sourceId', m.source_id)), '[]')
        from moves m where m.application_id = ${applicationId}
      ) as moves
    from applications a
    where a.id = ${applicationId}
  `);
  const row = rows[0];
  return row && buildCatalogue({ applicationId, ...row });
}
