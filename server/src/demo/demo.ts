// `grandstand demo`: a believable season in an application, through the same services as every request: attributes are
// defined, fans made, their activities taken in, groups made. Where nothing was evaluated before it is lived through
// (play.ts); else it is filled in at once. Run again with the same seed it finds everything there.

import type { Application } from '../applications/application.ts';
import { defineAttribute } from '../attributes/attribute-service.ts';
import { createIntake } from '../activities/intake.ts';
import type { Context } from '../context.ts';
import { createGroup, findGroup } from '../groups/group-service.ts';
import { addMembers } from '../groups/member-service.ts';
import { formatInstant, type Instant } from '../instant.ts';
import { tryCreateProfile } from '../profiles/profile-service.ts';
import { customIdOf, DEFINITIONS } from './fans.ts';
import { DYNAMIC_GROUPS, STATIC_GROUPS } from './groups.ts';
import type { Progress } from '../progress.ts';
import { canPlay, playSeason } from './play.ts';
import { createSeason, type Season } from './season.ts';

export interface DemoOptions {
  profiles: number;
  activities: number;
  seed: number;
  /** The end of the season; default now. */
  end?: Instant;
  /** How long it is; default 20. */
  weeks?: number;
  /** Not lived through though it could be: sooner done. */
  atOnce?: boolean;
}

export interface DemoSummary {
  profiles: number;
  activities: number;
  duplicates: number;
  groups: number;
}

const BATCH = 500;
const BATCHES_AT_ONCE = 3;
const PROFILES_AT_ONCE = 8;

export async function runDemo(
  context: Context,
  application: Application,
  options: DemoOptions,
  progress: Progress,
): Promise<DemoSummary> {
  const season = createSeason({ ...options, end: options.end ?? context.clock.now() });
  await defineAttributes(context, application);
  if (!options.atOnce && (await canPlay(context)))
    return playSeason(context, application, season, options.profiles, progress);
  if (!options.atOnce)
    progress.note(
      'The season is filled in at once, and its groups begin now: a server evaluates on this database, or did so before. On an empty one it is lived through (`grandstand start --demo`).',
    );
  const profiles = await makeFans(context, application, season, options.profiles, progress);
  const { activities, duplicates } = await sendActivities(context, application, season, options.activities, progress);
  const groups = await makeGroups(context, application, options.profiles, progress);
  return { profiles, activities, duplicates, groups };
}

async function defineAttributes(context: Context, application: Application): Promise<void> {
  const { attributes } = await context.catalogues.refresh(application.id);
  for (const definition of DEFINITIONS)
    if (!attributes.has(definition.key)) await defineAttribute(context, application.id, definition);
}

async function makeFans(
  context: Context,
  application: Application,
  season: Season,
  count: number,
  progress: Progress,
): Promise<number> {
  const step = progress.begin('Fans', count);
  let next = 0;
  let made = 0;
  const work = async (): Promise<void> => {
    for (let index = next++; index < count; index = next++) {
      const fan = season.fan(index);
      // The past is when the fan came; everything else is as for anyone.
      const then: Context = { ...context, clock: { now: () => fan.createdAt } };
      const fields = { nickname: fan.nickname, custom_id: fan.customId, attributes: fan.attributes };
      if (await tryCreateProfile(then, application, fields, 'admin')) made++;
      step.advance(1);
    }
  };
  await Promise.all(Array.from({ length: PROFILES_AT_ONCE }, work));
  step.end(
    `${made.toLocaleString('en')} fans created${made < count ? `, ${(count - made).toLocaleString('en')} were there already` : ''}`,
  );
  return made;
}

async function sendActivities(
  context: Context,
  application: Application,
  season: Season,
  count: number,
  progress: Progress,
): Promise<{ activities: number; duplicates: number }> {
  const step = progress.begin('Activities', count);
  const intake = createIntake(context);
  const activities = season.activities();
  const sent = { activities: 0, duplicates: 0 };
  const customIds = new Map<number, string>();
  const customId = (fan: number): string => {
    const known = customIds.get(fan) ?? season.fan(fan).customId;
    customIds.set(fan, known);
    return known;
  };
  const work = async (): Promise<void> => {
    for (;;) {
      const batch: unknown[] = [];
      while (batch.length < BATCH) {
        const next = activities.next();
        if (next.done === true) break;
        const { fan, id, at, type, value, data } = next.value;
        batch.push({ id, type, custom_id: customId(fan), occurred_at: formatInstant(at), value, data });
      }
      if (batch.length === 0) return;
      const answer = await intake.receive(application, { kind: 'admin' }, batch);
      if (answer.rejected[0])
        throw new Error(`the demo's own activity was rejected: ${JSON.stringify(answer.rejected[0])}`);
      sent.activities += answer.accepted;
      sent.duplicates += answer.duplicates;
      step.advance(batch.length);
    }
  };
  await Promise.all(Array.from({ length: BATCHES_AT_ONCE }, work));
  step.end(
    `${sent.activities.toLocaleString('en')} activities taken in${sent.duplicates > 0 ? `, ${sent.duplicates.toLocaleString('en')} were there already` : ''}`,
  );
  return sent;
}

async function makeGroups(
  context: Context,
  application: Application,
  fans: number,
  progress: Progress,
): Promise<number> {
  const step = progress.begin('Groups', STATIC_GROUPS.length + DYNAMIC_GROUPS.length);
  let made = 0;
  for (const { fields, first, every } of STATIC_GROUPS) {
    const reference = `custom:${fields.custom_id}`;
    if (!(await findGroup(context.db, application.id, reference))) {
      await createGroup(context, application, fields, 'demo');
      made++;
    }
    const ids: string[] = [];
    for (let n = first; n <= fans && ids.length < 10_000; n += every) ids.push(customIdOf(n - 1));
    if (ids.length > 0) await addMembers(context, application, reference, { custom_ids: ids });
    step.advance(1);
  }
  for (const fields of DYNAMIC_GROUPS) {
    if (!(await findGroup(context.db, application.id, `custom:${fields.custom_id}`))) {
      await createGroup(context, application, fields, 'demo');
      made++;
    }
    step.advance(1);
  }
  step.end(`${made} groups created`);
  return made;
}
