// The season as it would have been lived: fans, what they do and what is done to groups come in the order in which they happened,
// by a clock that goes along, and after each stretch of it the engine evaluates. So feeds, sizes and explanations look like
// those of a service that was there all the time.
//
// That takes an engine of its own, whose clock is in the past, and none beside it: where a server evaluates on this database,
// or anything was evaluated there before, the season is not played but filled in at once (demo.ts). Should a server start
// meanwhile, the rest of the season happens at once.

import type { Application } from '../applications/application.ts';
import { createIntake } from '../activities/intake.ts';
import type { Clock } from '../clock.ts';
import type { Context } from '../context.ts';
import { sql, type Database } from '../database/database.ts';
import { dynamicGroups } from '../evaluation/dynamic-groups.ts';
import { setPin } from '../evaluation/pin.ts';
import { rulesCache } from '../evaluation/rules-cache.ts';
import { createWorker } from '../evaluation/worker.ts';
import type { GroupFields } from '../groups/group.ts';
import { createGroup, updateGroup } from '../groups/group-service.ts';
import { addMembers, removeMembers } from '../groups/member-service.ts';
import { formatInstant, MICROS_PER_DAY, type Instant } from '../instant.ts';
import type { Progress } from '../progress.ts';
import { tryCreateProfile } from '../profiles/profile-service.ts';
import { customIdOf, type Fan } from './fans.ts';
import { DEEDS, DYNAMIC_GROUPS, STATIC_GROUPS, type Deed } from './groups.ts';
import type { Season, SeasonActivity } from './season.ts';

const ACTOR = 'demo';
const BATCH = 500;
const FANS_AT_ONCE = 8;
const HOUR = MICROS_PER_DAY / 24;

/** How often the engine evaluates: the closer to the end, the more often, since there it is looked at closely. */
const STRETCHES: readonly [beforeEnd: number, step: number][] = [
  [Infinity, 6 * HOUR],
  [7 * MICROS_PER_DAY, HOUR],
  [MICROS_PER_DAY, HOUR / 4],
  [HOUR, HOUR / 30],
];

/** Whether nobody evaluates on this database, and nothing was evaluated there ever. */
export async function canPlay({ db, config }: Pick<Context, 'db' | 'config'>): Promise<boolean> {
  if (config.role !== 'api') return false;
  const { rows } = await db.query(sql`select from sweeps limit 1`);
  return rows.length === 0 && (await countEngines(db)) === 0;
}

async function countEngines(db: Database): Promise<number> {
  const { rows } = await db.query<{ count: number }>(sql`
    select count(*)::int as count from leases where starts_with(name, 'heartbeat:') and expires_at > clock_timestamp()`);
  return rows[0]?.count ?? 0;
}

export interface Played {
  profiles: number;
  activities: number;
  duplicates: number;
  groups: number;
}

export async function playSeason(
  context: Context,
  application: Application,
  season: Season,
  fans: number,
  progress: Progress,
): Promise<Played> {
  const clock = createSeasonClock(season.start - 1);
  const rules = rulesCache(context.db);
  const there: Context = { ...context, clock, dynamicGroups: dynamicGroups({ db: context.db, clock, rules }) };
  const worker = createWorker({ ...there, rules });
  const intake = createIntake(there);
  const deeds = createDeeds(there, application, season, fans);
  const arrivals = Array.from({ length: fans }, (_, index) => season.fan(index)).sort(
    (a, b) => a.createdAt - b.createdAt,
  );
  const activities = ahead(season.activities());
  const played: Played = { profiles: 0, activities: 0, duplicates: 0, groups: 0 };

  const arrive = async (until: Instant): Promise<void> => {
    const coming: Fan[] = [];
    for (let next = arrivals[0]; next && next.createdAt <= until; next = arrivals[0]) {
      coming.push(next);
      arrivals.shift();
    }
    const work = async (): Promise<void> => {
      for (let fan = coming.shift(); fan; fan = coming.shift()) {
        const at = fan.createdAt;
        const then: Context = { ...there, clock: { now: () => at } };
        const fields = { nickname: fan.nickname, custom_id: fan.customId, attributes: fan.attributes };
        if (await tryCreateProfile(then, application, fields, 'admin')) played.profiles++;
      }
    };
    await Promise.all(Array.from({ length: FANS_AT_ONCE }, work));
  };
  const act = async (until: Instant): Promise<void> => {
    for (;;) {
      const batch: SeasonActivity[] = [];
      while (batch.length < BATCH && (activities.peek()?.at ?? Infinity) <= until) batch.push(activities.take());
      const last = batch.at(-1);
      if (!last) return;
      clock.goTo(last.at);
      const answer = await intake.receive(application, { kind: 'admin' }, batch.map(asSent));
      if (answer.rejected[0])
        throw new Error(`the demo's own activity was rejected: ${JSON.stringify(answer.rejected[0])}`);
      played.activities += answer.accepted;
      played.duplicates += answer.duplicates;
    }
  };
  const live = async (until: Instant): Promise<void> => {
    await arrive(until);
    await act(until);
    clock.goTo(until);
    await worker.tick();
  };

  const instants = instantsOf(season);
  const bar = progress.begin('Season, hours', Math.round((season.end - season.start) / HOUR));
  let shown = 0;
  try {
    for (const [index, until] of instants.entries()) {
      const before = instants[index - 1] ?? season.start;
      for (const at of deeds.between(before, until)) {
        await live(at);
        played.groups += await deeds.doAt(at);
      }
      const isAlone = index % 20 !== 0 || (await countEngines(context.db)) <= 1;
      await live(isAlone ? until : season.end);
      const hours = Math.round(((isAlone ? until : season.end) - season.start) / HOUR);
      bar.advance(hours - shown);
      shown = hours;
      if (isAlone) continue;
      for (const at of deeds.between(until, season.end)) played.groups += await deeds.doAt(at);
      await worker.tick();
      break;
    }
  } finally {
    await worker.stop();
  }
  await receiveThen(context.db, application.id, season.end);
  const { profiles, activities: acted, groups } = played;
  bar.end(
    `${profiles.toLocaleString('en')} fans lived through the season, did ${acted.toLocaleString('en')} things, and were sorted into ${groups} groups`,
  );
  return played;
}

/** The database says when an activity was received, and would say of all of them that it was just now. */
async function receiveThen(db: Database, applicationId: number, end: Instant): Promise<void> {
  await db.query(sql`
    update activities set received_at = occurred_at + interval '0.2 seconds'
    where application_id = ${applicationId} and occurred_at <= ${formatInstant(end)}::timestamptz`);
  await db.query(sql`delete from minute_counts where application_id = ${applicationId}`); // counted meanwhile
}

interface SeasonClock extends Clock {
  goTo(instant: Instant): void;
}

function createSeasonClock(start: Instant): SeasonClock {
  let last = start;
  return {
    now: () => ++last,
    goTo(instant) {
      last = Math.max(last, instant);
    },
  };
}

/** When the engine evaluates, upwards; the last one is the end. Not at full hours, as if nobody had waited for them. */
function instantsOf({ start, end }: Season): Instant[] {
  const found: Instant[] = [];
  for (let at = start; at < end;) {
    const [, step] = STRETCHES.findLast(([beforeEnd]) => end - at <= beforeEnd) ?? [0, HOUR];
    at = Math.min(end, at + step - ((at * 7919) % (step / 8)));
    found.push(at);
  }
  return found;
}

const asSent = ({ fan, id, at, type, value, data }: SeasonActivity): object => ({
  id,
  type,
  custom_id: customIdOf(fan),
  occurred_at: formatInstant(at),
  value,
  data,
});

/** Of which the next one can be looked at. */
function ahead<T>(generator: Generator<T>): { peek(): T | undefined; take(): T } {
  let next = generator.next();
  return {
    peek: () => (next.done === true ? undefined : next.value),
    take() {
      if (next.done === true) throw new RangeError('nothing is left');
      const { value } = next;
      next = generator.next();
      return value;
    },
  };
}

/** What is done to groups. */
function createDeeds(context: Context, application: Application, season: Season, fans: number) {
  const instantOf = ({ at }: Deed): Instant => Math.floor(season.start + at * (season.end - season.start));
  const fieldsOf = (customId: string): GroupFields => {
    const found = [...STATIC_GROUPS.map(({ fields }) => fields), ...DYNAMIC_GROUPS].find(
      (fields) => fields.custom_id === customId,
    );
    if (!found) throw new Error(`there is no group ${customId}`);
    return found;
  };
  /** Those who have come by now. */
  const present = async (customIds: readonly string[]): Promise<{ id: string; custom_id: string }[]> => {
    const { rows } = await context.db.query<{ id: string; custom_id: string }>(sql`
      select id, custom_id from profiles where application_id = ${application.id} and custom_id = any (${customIds}::text[]) order by custom_id`);
    return rows;
  };
  const everyNth = (first: number, every: number): string[] => {
    const ids: string[] = [];
    for (let n = first; n <= fans && ids.length < 10_000; n += every) ids.push(customIdOf(n - 1));
    return ids;
  };
  const meant = (customId: string): string[] => {
    const group = STATIC_GROUPS.find(({ fields }) => fields.custom_id === customId);
    return group ? everyNth(group.first, group.every) : [];
  };

  /** Whether a group was made. */
  const doOne = async ({ group, does }: Deed): Promise<boolean> => {
    const reference = `custom:${group}`;
    const fields = fieldsOf(group);
    switch (does.kind) {
      case 'make':
        await createGroup(context, application, fields, ACTOR);
        return true;
      case 'make with':
        await createGroup(context, application, { ...fields, rule_tree: does.rule }, ACTOR);
        return true;
      case 'change':
        await updateGroup(context, application, reference, { rule_tree: fields.rule_tree }, ACTOR);
        return false;
      case 'fill': {
        const all = meant(group);
        const ids = (await present(all.slice(0, Math.ceil(all.length * does.part)))).map(({ custom_id }) => custom_id);
        if (ids.length > 0) await addMembers(context, application, reference, { custom_ids: ids });
        return false;
      }
      case 'thin': {
        const ids = (await present(meant(group).filter((_, index) => index % does.every === 0))).map(
          (one) => one.custom_id,
        );
        if (ids.length > 0) await removeMembers(context, application, reference, { custom_ids: ids });
        return false;
      }
      case 'pin': {
        const until = does.days === undefined ? null : formatInstant(context.clock.now() + does.days * MICROS_PER_DAY);
        for (const { id } of (await present(everyNth(1, does.every))).slice(0, does.most))
          await setPin(
            context,
            application,
            reference,
            id,
            { pin: does.pin, reason: does.reason, expires_at: until },
            ACTOR,
          );
        return false;
      }
    }
  };

  return {
    /** The instants after the first one and up to the second at which something is done; those of the beginning belong to the first stretch. */
    between: (after: Instant, until: Instant): Instant[] =>
      [...new Set(DEEDS.map(instantOf))].filter(
        (at) => (at > after || (at === after && at === season.start)) && at <= until,
      ),
    /** How many groups were made. */
    async doAt(at: Instant): Promise<number> {
      let made = 0;
      for (const deed of DEEDS) if (instantOf(deed) === at && (await doOne(deed))) made++;
      return made;
    },
  };
}
