// What a database holds, as text: for server/schema.sql, and to compare two databases.

/** Tables, columns, constraints and indexes as PostgreSQL describes them, in the order of their names. */
const DESCRIBE = `
  select c.relname as name,
    (select string_agg(format('  %I %s%s%s', a.attname, format_type(a.atttypid, a.atttypmod),
        case when a.attidentity <> '' then ' generated always as identity' when d.adbin is not null then ' default ' || pg_get_expr(d.adbin, d.adrelid) else '' end,
        case when a.attnotnull then ' not null' else '' end), E',\\n' order by a.attnum)
      from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
      where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns,
    (select string_agg(format('  constraint %I %s', k.conname, pg_get_constraintdef(k.oid)), E',\\n' order by k.contype desc, k.conname)
      from pg_constraint k where k.conrelid = c.oid and k.contype in ('p', 'u', 'f', 'c')) as constraints,
    case when c.relkind = 'p' then ' partition by ' || pg_get_partkeydef(c.oid) else '' end as partitioning,
    (select count(*)::int from pg_inherits h where h.inhparent = c.oid) as partitions,
    (select string_agg(replace(pg_get_indexdef(x.indexrelid), 'public.', '') || ';', E'\\n' order by i.relname)
      from pg_index x join pg_class i on i.oid = x.indexrelid
      where x.indrelid = c.oid and not exists (select from pg_constraint k where k.conindid = x.indexrelid and k.contype in ('p', 'u'))) as indexes
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname = 'public' and c.relkind in ('r', 'p') and not c.relispartition and c.relname <> 'migrations'
  order by c.relname`;

/** A text for each table, in the order of their names. */
export async function describeTables(client) {
  const { rows } = await client.query(DESCRIBE);
  return rows.map(({ name, columns, constraints, partitioning, partitions, indexes }) =>
    [
      `create table ${name} (\n${[columns, constraints].filter(Boolean).join(',\n')}\n)${partitioning};`,
      ...(partitions > 0 ? [`-- in ${partitions} partitions`] : []),
      ...(indexes ? [indexes.replace(/^CREATE (UNIQUE )?INDEX/gm, (text) => text.toLowerCase())] : []),
    ].join('\n'),
  );
}
