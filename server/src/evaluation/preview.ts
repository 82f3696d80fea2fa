// Who would be in a group of this rule: exact, as of one instant, changing nothing. While a producer edits a rule the
// snapshot is kept for some seconds together with the leaves read in it (snapshots.ts), so that the next preview reads
// only the leaf that changed.

import type { Application } from '../applications/application.ts';
import type { Clock } from '../clock.ts';
import { onClient } from '../database/client.ts';
import { sql, type Database, type Queryable } from '../database/database.ts';
import { conflict, invalid, partOf, readAll } from '../errors.ts';
import { parseRule } from '../groups/dynamic.ts';
import type { Group } from '../groups/group.ts';
import { findGroup } from '../groups/group-service.ts';
import { formatInstant } from '../instant.ts';
import { andNot, fromOrdinals, or, popcount, take, type Bitset } from '../rules/bitset.ts';
import { shorten } from '../rules/fields.ts';
import type { RuleNode } from '../rules/tree.ts';
import { compileNow, refuseCycle } from './definitions.ts';
import { createSetReader, readRuleSet } from './sets.ts';
import { createSnapshots, type Snapshot } from './snapshots.ts';
import { comingIn, type Coming } from './coming.ts';
import { compareIn, type Comparison } from './compare.ts';
import { pastSizes, readDays, type PastSize } from './past-sizes.ts';
import type { RulesCache } from './rules-cache.ts';
import { visibleMembers } from './visible-members.ts';

export interface Preview {
  count: number;
  sample: { id: string; nickname: string; custom_id: string | null }[];
  as_of: string;
  entering?: number;
  leaving?: number;
  history?: PastSize[];
}

export interface PreviewInput {
  rule_tree?: unknown;
  group_id?: unknown;
  /** With `days`: also how many it would have been at the end of each of the last days. */
  history?: unknown;
}

export interface Previews {
  /** How groups overlap, by ids or `custom:…`. */
  compare(application: Application, input: { groups?: unknown }): Promise<Comparison>;
  /** `isWanted`: whether somebody still waits for the answer. */
  preview(application: Application, input: PreviewInput, isWanted?: () => boolean): Promise<Preview>;
  /** Who enters and leaves a group within so many hours if nothing else happens. */
  coming(rules: RulesCache, application: Application, group: string, hours: number): Promise<Coming>;
  /** Something was written in this process, in this application or in an unknown one: what is kept is of the past. */
  forget(clientId?: string): void;
  close(): Promise<void>;
}

const SAMPLE = 10;
const NO_GROUP = '00000000-0000-0000-0000-000000000000';

export function createPreviews(context: { db: Database; clock: Clock }): Previews {
  const snapshots = createSnapshots(context);
  return {
    preview: (application, input, isWanted = () => true) =>
      snapshots.use(application, (snapshot) => previewIn(snapshot, application, input, isWanted)),
    compare: (application, input) => snapshots.use(application, (snapshot) => compareIn(snapshot, application, input)),
    coming: (rules, application, group, hours) =>
      snapshots.use(application, (snapshot) =>
        comingIn(snapshot, rules, application, group, hours, context.db.isDistributed === true),
      ),
    forget: snapshots.forget,
    close: snapshots.close,
  };
}

async function previewIn(
  snapshot: Snapshot,
  application: Application,
  input: PreviewInput,
  isWanted: () => boolean,
): Promise<Preview> {
  const tx = onClient(snapshot.client);
  const { group, tree, days } = await readInput(tx, application.id, input);
  if (group?.membership_type === 'static') throw conflict('Only a dynamic group has a rule to compare with.');
  const rule = await compileNow(tx, application.id, group?.id ?? NO_GROUP, tree);
  if (group) await refuseCycle(tx, application.id, group.id, rule);
  const reader = await createSetReader(snapshot.client, { applicationId: application.id, now: snapshot.now });
  const all = await readRuleSet(reader, rule, snapshot.leaves);
  const past = days === undefined ? {} : { history: await pastSizes(snapshot, reader, rule, days, isWanted) };
  if (!group) return { ...(await describe(snapshot, application, all)), ...past };

  const { rows: pins } = await tx.query<{ ordinal: number; pin: 'in' | 'out' }>(sql`
    select ordinal, pin from pins where group_id = ${group.id} and (expires_at is null or expires_at > ${formatInstant(snapshot.now)})`);
  const pinned = (pin: 'in' | 'out'): Bitset =>
    fromOrdinals(pins.filter((row) => row.pin === pin).map((row) => row.ordinal));
  const target = or(andNot(all, pinned('out')), pinned('in'));
  const members = await visibleMembers(snapshot, reader, group.id);
  return {
    ...(await describe(snapshot, application, target)),
    entering: popcount(andNot(target, members)),
    leaving: popcount(andNot(members, target)),
    ...past,
  };
}

/** Says of all that was sent what is wrong with it, at once. */
async function readInput(
  tx: Queryable,
  applicationId: number,
  input: PreviewInput,
): Promise<{ group: Group | undefined; tree: RuleNode; days: number | undefined }> {
  const reference = input.group_id == null ? undefined : String(input.group_id);
  const group = reference === undefined ? undefined : await findGroup(tx, applicationId, reference);
  const [, tree, days] = readAll(
    () => {
      if (reference !== undefined && !group?.is_active)
        throw invalid('group_id', `There is no active group '${shorten(reference)}'.`);
    },
    await partOf(parseRule(tx, applicationId, input.rule_tree, group?.id)),
    () => readDays(input.history),
  );
  return { group, tree, days };
}

/** The count and the first members by ordinal, which are the oldest profiles. */
async function describe(snapshot: Snapshot, application: Application, set: Bitset): Promise<Preview> {
  const { rows } = await onClient(snapshot.client).query<{
    id: string;
    nickname: string;
    custom_id: string | null;
  }>(sql`
    select id, nickname, custom_id from profiles where application_id = ${application.id} and ordinal = any (${take(set, SAMPLE)}::int[]) order by ordinal`);
  return { count: popcount(set), sample: rows, as_of: formatInstant(snapshot.now) };
}
