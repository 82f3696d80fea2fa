// All that is stored about one fan, as JSON: what data protection law calls access. The fan sees what the application's own
// pages may show; what was left out for that is counted.

import type { Application } from '../applications/application.ts';
import type { Context } from '../context.ts';
import { onClient } from '../database/client.ts';
import { sql, type Queryable } from '../database/database.ts';
import { presentActivity, type Activity } from '../activities/activity.ts';
import { laneOf } from '../events/event.ts';
import { packed } from '../database/packed.ts';
import { listSources } from '../facts/moves.ts';
import { formatInstant, type Instant } from '../instant.ts';
import { presentProfile, type Profile } from '../profiles/profile.ts';
import { presentItem } from '../sources/source.ts';
import { listItemsAbout } from '../sources/source-store.ts';
import { startStream, type Export } from './export-service.ts';
import type { ExportedGroup } from './export-statements.ts';
import { listExportedGroups, listGroupIds } from './export-store.ts';

export interface Viewer {
  /** Not an administrator but the fan. */
  isFan: boolean;
  origin: string;
}

const AT_ONCE = 1000;

export const startProfileExport = (
  context: Context,
  application: Application,
  profile: Profile,
  viewer: Viewer,
): Export =>
  startStream(context, application, (client) => parts(onClient(client), context, application, profile, viewer));

async function* parts(
  db: Queryable,
  context: Context,
  application: Application,
  profile: Profile,
  { isFan, origin }: Viewer,
): AsyncGenerator<string> {
  const catalogue = await context.catalogues.get(application.id);
  const isHidden = (key: string): boolean => isFan && catalogue.attributes.get(key)?.visible_to === 'admin';
  const hiddenPairs = profile.attributes.filter(({ key }) => isHidden(key)).length;
  yield `{"exported_at":${text(formatInstant(context.clock.now()))}`;
  yield `,"profile":${text(presentProfile(profile, application.client_id, origin, isHidden))}`;
  yield `,"access_tokens":${text(await listTokens(db, profile.id))}`;
  yield `,"device_keys":${text(await listDeviceKeys(db, profile.id))}`;
  const merged = await listMerged(db, profile.id);
  yield `,"merged_profiles":${text(merged)}`;
  const rows = await readMembership(db, application.id, profile.id);
  const touched = [...new Set([...rows.members, ...rows.changes].map((row) => row.group_id))];
  const groups = new Map((await listExportedGroups(db, application.id, touched)).map((group) => [group.id, group]));
  const isShown = ({ group_id: id }: { group_id: string }): boolean => !isFan || groups.get(id)?.isVisible === true;
  const memberships = presentMemberships(rows.members, groups);
  yield `,"groups":${text(memberships.filter(isShown))}`;
  const changes = presentChanges(rows.changes, groups);
  yield `,"group_changes":${text(changes.filter(isShown))}`;
  const pins = await listPins(db, profile.id);
  if (!isFan) yield `,"pins":${text(pins)}`;
  yield `,"profile_changes":${text(await listEvents(db, application.id, profile.id))}`;
  const items = await listItems(db, application.id, profile, merged);
  yield `,"source_items":${text(isFan ? items.map(({ at, call, name, outcome }) => ({ at, call, name, outcome })) : items)}`;
  const withheld = {
    attributes: hiddenPairs,
    groups: memberships.filter((membership) => !isShown(membership)).length,
    group_changes: changes.filter((change) => !isShown(change)).length,
    pins: isFan ? pins.length : 0,
    source_items: items.length,
  };
  if (isFan) yield `,"withheld":${text(withheld)}`;
  yield ',"activities":[';
  let comma = '';
  for await (const rows of listActivities(db, profile.id)) {
    const typeName = (id: number): string => catalogue.typesById.get(id)?.type ?? '';
    yield comma + rows.map((row) => text(presentActivity(row, typeName))).join(',');
    comma = ',';
  }
  yield ']}\n';
}

const text = (value: unknown): string => JSON.stringify(value);

async function listTokens(db: Queryable, profileId: string) {
  const { rows } = await db.query<{ id: string; created_at: Instant }>(
    sql`select id, created_at from profile_tokens where profile_id = ${profileId} order by created_at, id`,
  );
  return rows.map((row) => ({ id: row.id, created_at: formatInstant(row.created_at) }));
}

/** That there are some, and with which tokens they came. They are credentials, and kept as hashes alone. */
async function listDeviceKeys(db: Queryable, profileId: string) {
  const { rows } = await db.query<{ access_token_id: string }>(
    sql`select token_id as access_token_id from device_keys where profile_id = ${profileId} order by token_id`,
  );
  return rows;
}

interface Merged {
  id: string;
  custom_id: string | null;
  merged_at: string;
}

async function listMerged(db: Queryable, profileId: string): Promise<Merged[]> {
  const { rows } = await db.query<Omit<Merged, 'merged_at'> & { merged_at: Instant }>(sql`
    select profile_id as id, custom_id, merged_at from profile_aliases where target_id = ${profileId} order by merged_at, profile_id`);
  return rows.map((row) => ({ ...row, merged_at: formatInstant(row.merged_at) }));
}

interface MemberRow {
  group_id: string;
  since_epoch: number;
  until_epoch: number | null;
  entered_at: Instant;
}

interface ChangeRow {
  group_id: string;
  epoch: number;
  number: number;
  change: string;
  at: Instant | null;
  cause: string;
}

async function readMembership(db: Queryable, applicationId: number, profileId: string) {
  const { rows: members } = await db.query<MemberRow>(
    sql`select group_id, since_epoch, until_epoch, entered_at from members where profile_id = ${profileId}`,
  );
  // By their groups, where they lie.
  const { rows: changes } = await db.query<ChangeRow>(sql`
    select group_id, epoch, number, change, at, cause from changes
    where group_id = any (${packed(await listGroupIds(db, applicationId))}::uuid[]) and profile_id = ${profileId}
    order by group_id, epoch, number`);
  return { members, changes };
}

type Groups = ReadonlyMap<string, ExportedGroup>;

const epochOf = (group: ExportedGroup | undefined, epoch: number): ExportedGroup['epochs'][number] | undefined =>
  group?.epochs.find((each) => each.epoch === epoch);

const presentMemberships = (rows: readonly MemberRow[], groups: Groups) =>
  rows
    .filter((row) => {
      const epoch = groups.get(row.group_id)?.epoch ?? -1;
      return row.since_epoch <= epoch && (row.until_epoch === null || row.until_epoch > epoch);
    })
    .map((row) => {
      const group = groups.get(row.group_id);
      const since =
        row.entered_at === -Infinity ? epochOf(group, row.since_epoch)?.switchedAt : formatInstant(row.entered_at);
      return {
        group_id: row.group_id,
        name: group?.name ?? null,
        custom_id: group?.customId ?? null,
        member_since: since ?? null,
      };
    });

const presentChanges = (rows: readonly ChangeRow[], groups: Groups) =>
  rows
    .filter((row) => row.epoch <= (groups.get(row.group_id)?.epoch ?? -1))
    .map((row) => {
      const epoch = epochOf(groups.get(row.group_id), row.epoch);
      return {
        group_id: row.group_id,
        sequence: (epoch?.base ?? 0) + row.number,
        change: row.change,
        at: (row.at === null ? epoch?.switchedAt : formatInstant(row.at)) ?? null,
        cause: row.cause,
      };
    });

/** As sources sent them: problems of a week, and a sample of the rest. */
async function listItems(db: Queryable, applicationId: number, profile: Profile, merged: readonly Merged[]) {
  const customIds = [profile.custom_id, ...merged.map((row) => row.custom_id)].flatMap((customId) => customId ?? []);
  const rows = await listItemsAbout(db, applicationId, [profile.id, ...merged.map(({ id }) => id)], customIds);
  return rows.map((row) => ({ source: row.source, ...presentItem(row) }));
}

async function listPins(db: Queryable, profileId: string) {
  const { rows } = await db.query<{
    group_id: string;
    pin: string;
    reason: string;
    expires_at: Instant | null;
    created_at: Instant;
  }>(sql`select group_id, pin, reason, expires_at, created_at from pins where profile_id = ${profileId}`);
  return rows.map((row) => ({
    ...row,
    expires_at: row.expires_at === null ? null : formatInstant(row.expires_at),
    created_at: formatInstant(row.created_at),
  }));
}

/** Those with a number are in `events`; what came since waits for the feed's next reader. */
async function listEvents(db: Queryable, applicationId: number, profileId: string) {
  const { rows: numbered } = await db.query<{ event: string; data: object | null; at: Instant }>(sql`
    select event, data, at from events where application_id = ${applicationId} and feed = 'profile' and lane = ${laneOf('profile', profileId)}
      and subject_id = ${profileId} order by sequence`);
  const { rows: waiting } = await db.query<{ event: string; data: object | null; at: Instant }>(
    sql`select event, data, at from new_events where subject_id = ${profileId} order by at, id`,
  );
  return [...numbered, ...waiting].map(({ event, data, at }) => ({ event, at: formatInstant(at), ...data }));
}

async function* listActivities(db: Queryable, profileId: string): AsyncGenerator<Activity[]> {
  const ids = [profileId, ...(await listSources(db, profileId))];
  let after = '';
  for (;;) {
    const { rows } = await db.query<Activity>(sql`
      select ${profileId}::uuid as profile_id, id, type_id, occurred_at, received_at, value, data from activities
      where profile_id = any (${ids}::uuid[]) and id > ${after} order by id limit ${AT_ONCE}`);
    if (rows.length > 0) yield rows;
    if (rows.length < AT_ONCE) return;
    after = rows.at(-1)?.id ?? after;
  }
}
