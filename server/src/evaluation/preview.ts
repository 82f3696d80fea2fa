// Who would be in a group of this rule: exact, as of one instant, changing nothing. While somebody edits a rule the
// snapshot is kept for some seconds together with the leaves read in it, so that the next preview reads only the leaf
// that changed. As soon as this process has written anything, or the seconds are over, a new snapshot is taken.

import type pg from 'pg';
import type { Application } from '../applications/application.ts';
import type { Clock } from '../clock.ts';
import { onClient, sql, type Database, type Queryable } from '../database/database.ts';
import { conflict, throwFound, ValidationError, type FieldErrors } from '../errors.ts';
import { parseRule } from '../groups/dynamic.ts';
import type { Group } from '../groups/group.ts';
import { findGroup } from '../groups/group-service.ts';
import { formatInstant, type Instant } from '../instant.ts';
import { andNot, fromOrdinals, or, popcount, take, type Bitset } from '../rules/bitset.ts';
import { shorten } from '../rules/fields.ts';
import type { RuleNode } from '../rules/tree.ts';
import { compileNow, refuseCycle } from './definitions.ts';
import { createSetReader, inSnapshot, readRuleSet } from './sets.ts';

export interface Preview {
  count: number;
  sample: { id: string; nickname: string; custom_id: string | null }[];
  as_of: string;
  entering?: number;
  leaving?: number;
}

export interface Previews {
  preview(application: Application, input: { rule_tree?: unknown; group_id?: unknown }): Promise<Preview>;
  /** Something was written in this process: what is kept is of the past. */
  forget(): void;
  close(): Promise<void>;
}

const KEPT_MS = 10_000;
const SAMPLE = 10;
const NO_GROUP = '00000000-0000-0000-0000-000000000000';

interface Session {
  applicationId: number;
  client: pg.ClientBase;
  now: Instant;
  leaves: Map<string, Bitset>;
  openedAt: number;
  generation: number;
  /** Ends the snapshot and gives the connection back. */
  end(): Promise<void>;
  /** One preview at a time: they share a connection. */
  turn: Promise<unknown>;
}

export function createPreviews({ db, clock }: { db: Database; clock: Clock }): Previews {
  let kept: Session | undefined;
  let generation = 0;
  let timer: NodeJS.Timeout | undefined;

  const drop = async (): Promise<void> => {
    const session = kept;
    kept = undefined;
    clearTimeout(timer);
    await session?.turn.catch(() => {});
    await session?.end();
  };

  const isFresh = (session: Session, applicationId: number): boolean =>
    session.applicationId === applicationId &&
    session.generation === generation &&
    performance.now() - session.openedAt < KEPT_MS;

  const sessionFor = async (applicationId: number): Promise<Session> => {
    if (kept && isFresh(kept, applicationId)) return kept;
    await drop();
    const session = await openSession(db, clock, applicationId, generation);
    if (kept)
      void session.turn.then(() => session.end()); // somebody was faster: this one serves once
    else {
      kept = session;
      timer = setTimeout(() => void drop().catch(() => {}), KEPT_MS);
      timer.unref();
    }
    return session;
  };

  return {
    forget: () => void generation++,
    close: drop,
    async preview(application, input) {
      const session = await sessionFor(application.id);
      const work = session.turn.catch(() => {}).then(() => previewIn(session, application, input));
      session.turn = work;
      return work;
    },
  };
}

async function openSession(db: Database, clock: Clock, applicationId: number, generation: number): Promise<Session> {
  return new Promise((resolve, reject) => {
    let finish: () => void = () => {};
    const finished = new Promise<void>((done) => (finish = done));
    const ended = inSnapshot(db, async (client) => {
      await client.query('set local idle_in_transaction_session_timeout = 0');
      const { rows } = await client.query<{ at: Instant }>(
        'select sweeping_until as at from sweeps where application_id = $1',
        [applicationId],
      );
      const now = Math.max(clock.now(), rows[0]?.at ?? -Infinity);
      const openedAt = performance.now();
      const end = async (): Promise<void> => {
        finish();
        await ended;
      };
      resolve({ applicationId, client, now, leaves: new Map(), openedAt, generation, end, turn: Promise.resolve() });
      await finished;
    });
    ended.catch(reject);
  });
}

async function previewIn(
  session: Session,
  application: Application,
  input: { rule_tree?: unknown; group_id?: unknown },
): Promise<Preview> {
  const tx = onClient(session.client);
  const { group, tree } = await readInput(tx, application.id, input);
  if (group?.membership_type === 'static') throw conflict('Only a dynamic group has a rule to compare with.');
  const rule = await compileNow(tx, application.id, group?.id ?? NO_GROUP, tree);
  if (group) await refuseCycle(tx, application.id, group.id, rule);
  const reader = createSetReader(session.client, { applicationId: application.id, now: session.now });
  const all = await readRuleSet(reader, rule, session.leaves);
  if (!group) return { ...(await describe(session, application, all)) };

  const { rows: heads } = await tx.query<{ epoch: number }>(
    sql`select epoch from group_heads where group_id = ${group.id}`,
  );
  const { rows: pins } = await tx.query<{ ordinal: number; pin: 'in' | 'out' }>(sql`
    select ordinal, pin from pins where group_id = ${group.id} and (expires_at is null or expires_at > ${formatInstant(session.now)})`);
  const pinned = (pin: 'in' | 'out'): Bitset =>
    fromOrdinals(pins.filter((row) => row.pin === pin).map((row) => row.ordinal));
  const target = or(andNot(all, pinned('out')), pinned('in'));
  const epoch = heads[0]?.epoch ?? 0;
  const key = `members of ${group.id}`;
  const members =
    session.leaves.get(key) ??
    (await reader.ordinals(
      `select ordinal from members where group_id = '${group.id}' and since_epoch <= ${epoch} and (until_epoch is null or until_epoch > ${epoch})`,
    ));
  session.leaves.set(key, members);
  return {
    ...(await describe(session, application, target)),
    entering: popcount(andNot(target, members)),
    leaving: popcount(andNot(members, target)),
  };
}

/** Says of the group and of the rule what is wrong with them, both at once. */
async function readInput(
  tx: Queryable,
  applicationId: number,
  input: { rule_tree?: unknown; group_id?: unknown },
): Promise<{ group: Group | undefined; tree: RuleNode }> {
  const reference = input.group_id == null ? undefined : String(input.group_id);
  const group = reference === undefined ? undefined : await findGroup(tx, applicationId, reference);
  const isMissing = reference !== undefined && !group?.is_active;
  const errors: FieldErrors = isMissing ? { group_id: [`There is no active group '${shorten(reference)}'.`] } : {};
  const tree = await parseRule(tx, applicationId, input.rule_tree, group?.id).catch((error: unknown) => {
    if (!(error instanceof ValidationError)) throw error;
    throw new ValidationError({ ...errors, ...error.fields });
  });
  throwFound(errors);
  return { group, tree };
}

/** The count and the first members by ordinal, which are the oldest profiles. */
async function describe(session: Session, application: Application, set: Bitset): Promise<Preview> {
  const { rows } = await onClient(session.client).query<{ id: string; nickname: string; custom_id: string | null }>(sql`
    select id, nickname, custom_id from profiles where application_id = ${application.id} and ordinal = any (${take(set, SAMPLE)}::int[]) order by ordinal`);
  return { count: popcount(set), sample: rows, as_of: formatInstant(session.now) };
}
