// What an export reads, as selects for COPY, which takes no parameters: only values that we made or checked stand in them.
// COPY writes the file itself, rows never become objects here; so cells that a spreadsheet would calculate are defused in
// SQL, as csv-write.ts has it, and JSON is built there.

import { activitiesOf, type Move } from '../facts/moves.ts';
import type { FileFormat } from '../files/body.ts';

export interface Column {
  name: string;
  sql: string;
  /** Text that somebody wrote: defused, and quoted so that its blanks stay. */
  isText?: boolean;
  isJson?: boolean;
}

export interface Select {
  columns: Column[];
  from: string;
}

const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;
export const uuidLiteral = (id: string): string => `${quoted(id)}::uuid`;
export const instantLiteral = (instant: string): string => `${quoted(instant)}::timestamptz`;

/** As `csvCell`. Nearly no text begins with one of these, and looking at that alone takes a tenth of what a pattern takes. */
const defused = (sql: string): string =>
  `case when strpos(E'''-=+@\\t\\r\\n＝＋－＠', left(${sql}, 1)) > 0 and ${sql} ~ E'^''*[-=+@\\t\\r\\n＝＋－＠]'
    and ${sql} !~ '^-?[0-9]+(\\.[0-9]+)?$' then '''' || ${sql} else ${sql} end`;

const instant = (sql: string): string => `to_char(${sql} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

/** A line of a file that holds none of what CSV would quote is written as it is. */
const RAW = `format csv, delimiter E'\\x01', quote E'\\x02'`;

export function copyStatement({ columns, from }: Select, format: FileFormat): string {
  if (format === 'ndjson') {
    const pairs = columns.map(({ name, sql }) => `${quoted(name)}, ${sql}`);
    return `copy (select json_build_object(${pairs.join(', ')})::text ${from}) to stdout with (${RAW})`;
  }
  const cells = columns.map(({ name, sql, isText, isJson }) =>
    isText === true
      ? `${defused(sql)} as ${name}`
      : isJson === true
        ? `(${sql})::text as ${name}`
        : `${sql} as ${name}`,
  );
  const texts = columns.filter(({ isText }) => isText === true).map(({ name }) => name);
  const quote = texts.length > 0 ? `, force_quote (${texts.join(', ')})` : '';
  return `copy (select ${cells.join(', ')} ${from}) to stdout with (format csv${quote})`;
}

export const profiles = (applicationId: number): Select => ({
  columns: [
    { name: 'id', sql: 'p.id' },
    { name: 'custom_id', sql: 'p.custom_id', isText: true },
    { name: 'nickname', sql: 'p.nickname', isText: true },
    { name: 'custom_data', sql: 'p.custom_data', isText: true },
    { name: 'attributes', sql: `coalesce(a.pairs, '[]'::json)`, isJson: true },
    { name: 'created_at', sql: instant('p.created_at') },
    { name: 'updated_at', sql: instant('p.updated_at') },
  ],
  // Gathered once for all: looked up for each profile, they take more than everything else together.
  from: `from profiles p left join (
      select profile_id, json_agg(json_build_object('key', key, 'value', value) order by position, value) as pairs
      from profile_attributes where application_id = ${applicationId} group by profile_id) a on a.profile_id = p.id
    where p.application_id = ${applicationId}`,
});

export interface ActivitySelection {
  typeId?: number | undefined;
  since?: string | undefined;
  until?: string | undefined;
}

export function activities(
  applicationId: number,
  types: ReadonlyMap<number, { type: string }>,
  /** Of the same snapshot. */
  moves: readonly Move[],
  { typeId, since, until }: ActivitySelection,
): Select {
  const terms = [`a.application_id = ${applicationId}`];
  if (typeId !== undefined) terms.push(`a.type_id = ${typeId}`);
  if (since !== undefined) terms.push(`a.occurred_at >= ${instantLiteral(since)}`);
  if (until !== undefined) terms.push(`a.occurred_at < ${instantLiteral(until)}`);
  const names = [...types].map(([id, { type }]) => `(${id}, ${quoted(type)})`);
  return {
    columns: [
      { name: 'id', sql: `case when left(a.id, 1) = E'\\x01' then substr(a.id, 3) else a.id end`, isText: true },
      { name: 'type', sql: 't.type', isText: true },
      { name: 'profile_id', sql: 'a.profile_id' },
      { name: 'custom_id', sql: 'p.custom_id', isText: true },
      { name: 'occurred_at', sql: instant('a.occurred_at') },
      { name: 'value', sql: 'a.value' },
      { name: 'data', sql: 'a.data', isJson: true },
      { name: 'sent_by', sql: `case when left(a.id, 2) = E'\\x01p' then 'profile' else 'admin' end` },
      { name: 'received_at', sql: instant('a.received_at') },
    ],
    from: `from ${activitiesOf(moves, 'a')} join profiles p on p.id = a.profile_id
      join (values ${names.join(', ')}) as t (id, type) on t.id = a.type_id where ${terms.join(' and ')}`,
  };
}

export interface ExportedGroup {
  id: string;
  name: string;
  customId: string | null;
  /** To its members. */
  isVisible: boolean;
  epoch: number;
  /** When each epoch was switched in. */
  epochs: { epoch: number; base: number; switchedAt: string }[];
}

const groupColumns = ({ id, customId }: ExportedGroup): Column[] => [
  { name: 'group_id', sql: quoted(id) },
  { name: 'group_custom_id', sql: customId === null ? 'null::text' : quoted(customId), isText: true },
];

const epochTable = ({ epochs }: ExportedGroup): string =>
  `(values ${epochs.map(({ epoch, base, switchedAt }) => `(${epoch}::bigint, ${base}::bigint, ${instantLiteral(switchedAt)})`).join(', ')}) as e (epoch, base, switched_at)`;

export const members = (group: ExportedGroup, { withGroup }: { withGroup: boolean }): Select => ({
  columns: [
    ...(withGroup ? groupColumns(group) : []),
    { name: 'profile_id', sql: 'm.profile_id' },
    { name: 'custom_id', sql: 'p.custom_id', isText: true },
    { name: 'nickname', sql: 'p.nickname', isText: true },
    {
      name: 'member_since',
      sql: instant(`case when m.entered_at = '-infinity' then e.switched_at else m.entered_at end`),
    },
  ],
  from: `from members m join profiles p on p.id = m.profile_id join ${epochTable(group)} on e.epoch = m.since_epoch
    where m.group_id = ${uuidLiteral(group.id)} and m.since_epoch <= ${group.epoch} and (m.until_epoch is null or m.until_epoch > ${group.epoch})`,
});

export const changes = (group: ExportedGroup): Select => ({
  columns: [
    ...groupColumns(group),
    { name: 'sequence', sql: 'e.base + c.number' },
    { name: 'change', sql: 'c.change' },
    { name: 'profile_id', sql: 'c.profile_id' },
    { name: 'at', sql: instant('coalesce(c.at, e.switched_at)') },
    { name: 'cause', sql: 'c.cause' },
  ],
  from: `from changes c join ${epochTable(group)} on e.epoch = c.epoch
    where c.group_id = ${uuidLiteral(group.id)} and c.epoch <= ${group.epoch} order by c.epoch, c.number`,
});
