// Rows of members: an id each, of the group that the import names or, where a column says so, of the row's own group.

import type { Application } from '../applications/application.ts';
import type { Context } from '../context.ts';
import type { Queryable } from '../database/database.ts';
import { ApiError } from '../errors.ts';
import type { IdKind } from '../files/columns.ts';
import { plainCell } from '../files/csv-write.ts';
import type { Group } from '../groups/group.ts';
import { findGroup } from '../groups/group-service.ts';
import { findMembersAmong } from '../groups/member-store.ts';
import { readUuid } from '../ids.ts';
import { enterGroup } from '../membership/membership-many.ts';
import { resolveIds } from '../profiles/alias-store.ts';
import { findProfileIdsByCustomIds } from '../profiles/profile-store.ts';
import { findProfiles } from '../profiles/upsert-store.ts';
import { isRecord } from '../rules/fields.ts';
import type { Import, Rejection } from './import.ts';
import type { Applied } from './apply.ts';
import { parseLine, showRow, type PieceRow } from './rows.ts';

interface MemberRow {
  line: number;
  row: string;
  kind: IdKind;
  id: string;
  /** Id or `custom:…`. */
  group: string;
}

export async function applyMembers(
  tx: Queryable,
  context: Context,
  application: Application,
  row: Import,
  rows: readonly PieceRow[],
): Promise<Applied> {
  const applied: Applied = { accepted: 0, duplicates: 0, rejections: [] };
  const reject = ({ line, row: text }: { line: number; row: string }, reason: string): void => {
    applied.rejections.push({ line, reason, row: text });
  };
  const byGroup = new Map<string, MemberRow[]>();
  for (const each of rows) {
    const read = readMember(row, each);
    if ('reason' in read) reject(read, read.reason);
    else byGroup.set(read.group, [...(byGroup.get(read.group) ?? []), read]);
  }
  // In the order of their heads, which are locked one after the other.
  const groups = new Map<string, { group: Group; members: MemberRow[] }>();
  for (const [text, members] of byGroup) {
    const group = await findGroup(tx, application.id, text);
    if (!group?.is_active) for (const member of members) reject(member, `There is no group '${text}'.`);
    else if (group.membership_type !== 'static')
      for (const member of members) reject(member, `The group '${text}' is dynamic: its rule says who is in it.`);
    else groups.set(group.id, { group, members: [...(groups.get(group.id)?.members ?? []), ...members] });
  }
  for (const id of [...groups.keys()].sort()) {
    const { group, members } = groups.get(id) as { group: Group; members: MemberRow[] }; // its own key
    await applyToGroup(tx, { context, application, isDryRun: row.is_dry_run, group, members, applied, reject });
  }
  return applied;
}

interface GroupWork {
  context: Context;
  application: Application;
  isDryRun: boolean;
  group: Group;
  members: MemberRow[];
  applied: Applied;
  reject(member: MemberRow, reason: string): void;
}

async function applyToGroup(tx: Queryable, work: GroupWork): Promise<void> {
  const { context, application, group, members, applied, reject } = work;
  const customIds = members.filter(({ kind }) => kind === 'custom_id').map(({ id }) => id);
  const owners = await findProfileIdsByCustomIds(tx, application.id, [...new Set(customIds)]);
  const sent = members.map((member) => ({
    member,
    id: member.kind === 'custom_id' ? owners.get(member.id) : readUuid(member.id),
  }));
  const meant = await resolveIds(
    tx,
    application.id,
    sent.flatMap(({ id }) => id ?? []),
  );
  const named = sent.map(({ member, id }) => ({ member, profileId: id === undefined ? undefined : meant(id) }));
  const wanted = [...new Set(named.flatMap(({ profileId }) => profileId ?? []))];
  const { entered, already } = work.isDryRun
    ? await judge(tx, application, group, wanted)
    : await enter(tx, context, application, group, wanted);
  for (const { member, profileId } of named) {
    if (profileId === undefined) reject(member, `${member.kind}: there is no such profile.`);
    else if (entered.delete(profileId)) {
      applied.accepted++;
      already.add(profileId); // named once more, it is a repeat
    } else if (already.has(profileId)) applied.duplicates++;
    else reject(member, `${member.kind}: there is no such profile.`);
  }
}

interface Entering {
  entered: Set<string>;
  already: Set<string>;
}

async function enter(
  tx: Queryable,
  context: Context,
  application: Application,
  group: Group,
  profileIds: string[],
): Promise<Entering> {
  if (profileIds.length === 0) return { entered: new Set(), already: new Set() };
  const options = {
    groupId: group.id,
    applicationId: application.id,
    at: context.clock.now(),
    cause: 'import' as const,
  };
  const done = await enterGroup(tx, profileIds, options);
  if (!done) throw new ApiError('unavailable', { detail: 'The group is being deleted.' });
  return { entered: new Set(done.entered), already: new Set(done.already) };
}

async function judge(tx: Queryable, application: Application, group: Group, profileIds: string[]): Promise<Entering> {
  const [there, members] = await Promise.all([
    findProfiles(tx, application.id, profileIds),
    findMembersAmong(tx, group.id, profileIds),
  ]);
  return {
    entered: new Set(profileIds.filter((id) => there.has(id) && !members.has(id))),
    already: new Set(profileIds.filter((id) => members.has(id))),
  };
}

type Unread = Rejection;

function readMember({ options, format }: Import, [line, content]: PieceRow): MemberRow | Unread {
  const row = showRow(content);
  const { ids, groupId, columns } = options;
  if (typeof content !== 'string') {
    const { kind, index } = ids ?? { kind: 'profile_id', index: 0 };
    const id = plainCell(content[index] ?? '').trim();
    const groupColumn = columns?.indexOf('group_id') ?? -1;
    const group = groupId ?? plainCell(content[groupColumn] ?? '').trim();
    if (columns && content.length !== columns.length)
      return { line, row, reason: `${content.length} cells, where the header has ${columns.length}.` };
    if (id === '') return { line, row, reason: `${kind}: blank.` };
    if (group === '') return { line, row, reason: 'group_id: blank.' };
    return { line, row, kind, id, group };
  }
  const value = parseLine(content);
  const { kind = 'profile_id' } = ids ?? {};
  const record: Record<string, unknown> = typeof value === 'string' ? { [kind]: value } : isRecord(value) ? value : {};
  const profileId = record['profile_id'] ?? record['id'];
  const id = profileId ?? record['custom_id'];
  const group = groupId ?? record['group_id'];
  if (value === undefined) return { line, row, reason: format === 'ndjson' ? 'not JSON.' : 'not readable.' };
  if (typeof id !== 'string' || id.includes('\0') || !id.isWellFormed())
    return { line, row, reason: 'This must be a JSON string, or an object with profile_id or custom_id.' };
  if (typeof group !== 'string' || group.includes('\0') || !group.isWellFormed())
    return { line, row, reason: 'group_id: this field is required, or the import’s own group.' };
  return { line, row, kind: profileId === undefined ? 'custom_id' : 'profile_id', id, group };
}
