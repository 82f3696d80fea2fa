// Intake: from a batch as it was sent to stored, counted and queued activities. Each item is accepted, a duplicate or
// rejected by itself. What was acknowledged is committed.

import { Counter, Histogram, type Registry } from 'prom-client';
import type { Application } from '../applications/application.ts';
import type { Context } from '../context.ts';
import { sql, type Queryable } from '../database/database.ts';
import { codeOf, isRetryable } from '../database/faults.ts';
import { ApiError } from '../errors.ts';
import { elementsOf, type Elements } from '../http/elements.ts';
import { listMoves, sourcesByTarget } from '../facts/moves.ts';
import { resolveIds } from '../profiles/alias-store.ts';
import { findProfileIdsByCustomIds } from '../profiles/profile-store.ts';
import type { IntakeAnswer } from './activity.ts';
import { createQueueStart, findOldestLive } from '../queue/queue.ts';
import { nameTypes } from './activity-types.ts';
import { createGate } from './gate.ts';
import { findOwnAliases, followMerged, forget, forgetMoved, onBehalf, resolveRepeated } from './merged-profiles.ts';
import { createKnownIds } from './known-ids.ts';
import { ERASED_MEANWHILE, judgeColumns, storeBatch, type IntakeBatch, type Stored } from './intake-statement.ts';
import {
  NO_PROFILE,
  presentRejected,
  readItems,
  type Columns,
  type Doubtful,
  type ReadItems,
  type Rejected,
  type Sender,
} from './read-items.ts';
import { readStoredId } from './stored-id.ts';

export interface Intake {
  /** Stores a batch, in memory or as it stands in a body; resolves once it is durable. */
  receive(application: Application, sender: Sender, items: Elements | readonly unknown[]): Promise<IntakeAnswer>;
  /** As receive, but what is rejected is told in full: for callers that say it to nobody else. */
  receiveAll(application: Application, sender: Sender, items: Elements | readonly unknown[]): Promise<IntakeAnswer>;
  /**
   * The same of an admin's batch in the caller's transaction, which is begun again where it fails by other work
   * (`isInTheWay`). The caller enters first. What is rejected is told in full.
   */
  receiveIn(tx: Queryable, application: Application, items: Elements): Promise<IntakeAnswer>;
  /** What `receiveIn` would answer; nothing is written. */
  judge(application: Application, items: Elements): Promise<IntakeAnswer>;
  /** Resolves when so many may be stored, at the pace of evaluation; to be told when it is done. */
  enter(application: string, size: number, way?: string): Promise<() => void>;
}

/** Where a batch goes, and where what it is held against is read. */
interface Place {
  db: Queryable;
  /** Undefined: other work was in the way, and the same again will do. */
  store(batch: IntakeBatch): Promise<Stored | undefined>;
}

const MAX_ATTEMPTS = 6;

export function createIntake(context: Context): Intake {
  const meters = intakeMeters(context.metrics.registry);
  const queueStart = createQueueStart();
  const { enter } = createGate({
    // Batches of evaluation are meant to wait.
    findOldest: async () =>
      context.config.evaluationInterval > 0 ? undefined : findOldestLive(context.db, queueStart),
    now: () => context.clock.now(),
    neighbours: context.neighbours,
    onRest: (seconds) => meters.rested.inc(seconds),
  });

  const listKnownIds = createKnownIds(context);

  const store = async (
    { db, store: storeColumns }: Place,
    application: Application,
    given: Sender,
    items: Elements,
  ): Promise<Outcome> => {
    let sender = given;
    let catalogue = await context.catalogues.get(application.id);
    let refusedTypes: ReadonlySet<string> = new Set();
    for (let attempt = 1; ; attempt++) {
      const now = context.clock.now();
      const read = await readItems(items, { sender, catalogue, now, refusedTypes });
      if (sender.kind === 'profile' && !sender.aliases && read.otherIds.size > 0) {
        const aliases = await findOwnAliases(db, application.id, sender.profile.id, read.otherIds);
        sender = { ...sender, aliases };
        if (aliases.size > 0) continue;
      }
      if (read.unknownTypes.size > 0) {
        // Apart, since the catalogue that is read next is everybody's.
        refusedTypes = await context.db.apart(() => nameTypes(context, application.id, read.unknownTypes));
        catalogue = await context.catalogues.refresh(application.id);
        continue;
      }
      await resolveRepeated(db, application.id, read.columns);
      const known = await listKnownIds(sender, read.columns.id);
      const repeats =
        forget(read.columns, (place) => known.has(read.columns.id[place] ?? '')) +
        (await forgetMoved(db, application.id, catalogue.sources, read.columns));
      if (read.columns.id.length === 0) return { read, repeats, stored: { current: true, accepted: 0, unknown: [] } };
      const batch = {
        applicationId: application.id,
        version: catalogue.version,
        columns: read.columns,
        facts: catalogue.facts,
        now,
      };
      const stored = await storeColumns(batch);
      if (stored?.current === true) return { read, repeats, stored };
      if (attempt >= MAX_ATTEMPTS) throw new ApiError('unavailable', { retryAfter: 1 });
      if (stored) catalogue = await context.catalogues.refresh(application.id);
    }
  };

  /** Those of profiles that were merged count for the ones that they were merged into. */
  const storeAll = async (
    place: Place,
    application: Application,
    sender: Sender,
    items: Elements,
  ): Promise<IntakeAnswer> => {
    const { read, repeats, stored } = await store(place, application, sender, items);
    const { moved, unknown } = await followMerged(place.db, application.id, read.columns, stored.unknown);
    const rejected = [...read.rejected, ...unknownProfiles(read.columns, unknown)];
    const repeated = await knownAmong(place.db, application.id, sender, read.doubtful);
    for (const item of read.doubtful)
      if (!repeated.has(item)) rejected.push({ index: item.index, id: item.id, errors: item.errors });
    let { accepted } = stored;
    let duplicates = read.columns.id.length - stored.unknown.length - stored.accepted + repeated.size + repeats;
    for (const [targetId, indexes] of moved) {
      const target: Sender =
        sender.kind !== 'profile' ? sender : { ...sender, profile: { ...sender.profile, id: targetId } };
      const answer = await storeAll(place, application, target, onBehalf(items, indexes, targetId));
      accepted += answer.accepted;
      duplicates += answer.duplicates;
      rejected.push(...answer.rejected.map((item) => ({ ...item, index: indexes[item.index] ?? item.index })));
    }
    return { accepted, duplicates, rejected };
  };

  const count = ({ accepted, duplicates, rejected }: IntakeAnswer): void => {
    meters.activities.inc({ result: 'accepted' }, accepted);
    meters.activities.inc({ result: 'duplicate' }, duplicates);
    meters.activities.inc({ result: 'rejected' }, rejected.length);
  };
  const here: Place = { db: context.db, store: (batch) => tryStore(context, batch) };
  const admin: Sender = { kind: 'admin' };

  return {
    enter,
    async receiveIn(tx, application, items) {
      const place = { db: tx, store: (batch: IntakeBatch) => storeBatch(tx, batch) };
      const answer = await storeAll(place, application, admin, items);
      count(answer);
      return answer;
    },
    async judge(application, items) {
      const catalogue = await context.catalogues.get(application.id);
      const options = { sender: admin, catalogue, now: context.clock.now(), refusedTypes: new Set<string>() };
      // Types that are not known yet would be named.
      const { unknownTypes } = await readItems(items, options);
      const types = new Map(catalogue.types);
      for (const type of unknownTypes) types.set(type, { id: -1, type, label: type, client: false, registered: false });
      const read = await readItems(items, { ...options, catalogue: { ...catalogue, types } });
      const meant = await resolveIds(
        context.db,
        application.id,
        read.columns.profileId.flatMap((id) => id ?? []),
      );
      const columns = {
        ...read.columns,
        profileId: read.columns.profileId.map((id) => (id === null ? null : meant(id))),
      };
      const { accepted, unknown } = await judgeColumns(context.db, application.id, columns);
      const repeated = await knownAmong(context.db, application.id, admin, read.doubtful);
      const doubtful = read.doubtful.filter((item) => !repeated.has(item));
      const duplicates = columns.id.length - unknown.length - accepted + repeated.size;
      return { accepted, duplicates, rejected: [...read.rejected, ...doubtful, ...unknownProfiles(columns, unknown)] };
    },
    async receive(application, sender, sent) {
      const answer = await receiveAll(application, sender, sent);
      return { ...answer, rejected: presentRejected(answer.rejected) };
    },
    receiveAll,
  };

  async function receiveAll(
    application: Application,
    sender: Sender,
    sent: Elements | readonly unknown[],
  ): Promise<IntakeAnswer> {
    const items = 'read' in sent ? sent : elementsOf(sent);
    // Under an Idempotency-Key a connection is held already: a wait for a place with it could block those inside.
    const leave = context.db.isTogether() ? () => {} : await enter(application.client_id, items.length);
    const startedAt = performance.now();
    try {
      const answer = await storeAll(here, application, sender, items);
      count(answer);
      return { ...answer, rejected: answer.rejected.sort((a, b) => a.index - b.index) };
    } finally {
      meters.seconds.observe((performance.now() - startedAt) / 1000);
      leave();
    }
  }
}

interface Outcome {
  read: ReadItems;
  /** How many a profile had sent before its ids were told apart from those of admins. */
  repeats: number;
  stored: Stored;
}

/** Undefined: other work was in the way, and the same again will do. */
async function tryStore(context: Context, batch: IntakeBatch): Promise<Stored | undefined> {
  try {
    return await storeBatch(context.db.own, batch);
  } catch (error) {
    if (isInTheWay(error)) return undefined;
    throw error;
  }
}

/** Whether other work was in the way, so that the same again will do. */
export const isInTheWay = (error: unknown): boolean => isRetryable(error) || codeOf(error) === ERASED_MEANWHILE;

function unknownProfiles(columns: Columns, places: number[]): Rejected[] {
  return places.map((place) => {
    const at = place - 1;
    const field = columns.profileId[at] === null ? 'custom_id' : 'profile_id';
    const id = columns.id[at];
    return {
      index: columns.index[at] ?? 0,
      id: id === undefined ? null : readStoredId(id).id,
      errors: { [field]: [NO_PROFILE] },
    };
  });
}

/** The repeats of what was stored, whatever is thought of them now. */
async function knownAmong(
  db: Queryable,
  applicationId: number,
  sender: Sender,
  doubtful: readonly Doubtful[],
): Promise<ReadonlySet<Doubtful>> {
  if (doubtful.length === 0) return new Set();
  const customIds = doubtful.flatMap(({ customId }) => customId ?? []);
  const owners = await findProfileIdsByCustomIds(db, applicationId, customIds);
  const meant = await resolveIds(
    db,
    applicationId,
    doubtful.flatMap(({ profileId }) => profileId ?? []),
  );
  const sources = sourcesByTarget(await listMoves(db, applicationId));
  // A profile's from before senders were told apart stands as it was sent.
  const idsOf = (item: Doubtful): string[] =>
    sender.kind === 'profile' ? [item.storedId, readStoredId(item.storedId).id] : [item.storedId];
  const owned = doubtful.flatMap((item) => {
    const profileId = item.profileId === null ? (owners.get(item.customId ?? '') ?? null) : meant(item.profileId);
    const places = [profileId, ...(sources.get(profileId ?? '') ?? [])];
    return idsOf(item).flatMap((id) => places.map((place) => ({ item, id, profileId: place })));
  });
  const { rows } = await db.query<{ n: number }>(sql`
    select d.n from unnest(${owned.map(({ profileId }) => profileId)}::uuid[], ${owned.map(({ id }) => id)}::text[])
      with ordinality as d (profile_id, id, n)
    join activities a on a.profile_id = d.profile_id and a.id = d.id where a.application_id = ${applicationId}`);
  return new Set(rows.flatMap(({ n }) => owned[n - 1]?.item ?? []));
}

interface Meters {
  activities: Counter<'result'>;
  seconds: Histogram;
  rested: Counter;
}

/** One set a registry, however many intakes. */
function intakeMeters(registry: Registry): Meters {
  const [activities, seconds, rested] = [
    'grandstand_activities_total',
    'grandstand_intake_duration_seconds',
    'grandstand_intake_rest_seconds_total',
  ] as const;
  return {
    activities:
      (registry.getSingleMetric(activities) as Counter<'result'> | undefined) ?? // the only metric of that name
      new Counter({
        name: activities,
        help: 'Activities received, by what became of them: accepted, duplicate or rejected.',
        labelNames: ['result'],
        registers: [registry],
      }),
    seconds:
      (registry.getSingleMetric(seconds) as Histogram | undefined) ?? // likewise
      new Histogram({
        name: seconds,
        help: 'Time from a batch’s turn until it is durable.',
        buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
        registers: [registry],
      }),
    rested:
      (registry.getSingleMetric(rested) as Counter | undefined) ?? // likewise
      new Counter({
        name: rested,
        help: 'Time for which intake stored nothing, so that the evaluation of what was acknowledged can follow.',
        registers: [registry],
      }),
  };
}
