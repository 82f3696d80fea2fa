// Does what the calls of a request ask for. Identities first, so that activities find their profiles: who is new is made, who
// was anonymous becomes known, two that are one are merged (identify.ts). Then the activities, as intake takes everybody's.
// Each call is taken or refused by itself. All of it may be sent again without harm.

import type { Intake } from '../activities/intake.ts';
import { NO_PROFILE, type Rejected } from '../activities/read-items.ts';
import { MAX_BATCH } from '../activities/activity.ts';
import type { Application } from '../applications/application.ts';
import type { Context } from '../context.ts';
import type { FieldErrors } from '../errors.ts';
import { formatInstant } from '../instant.ts';
import { changeAudiences } from './audience.ts';
import { explain, type Call, type NewActivity, type Subject } from './call.ts';
import { createProfiles, identify, type Sender } from './identify.ts';

export interface TakeContext extends Context {
  intake: Intake;
}

/** What could not be done of a call is among its problems afterwards. */
export async function takeCalls(
  context: TakeContext,
  application: Application,
  source: Sender,
  calls: readonly Call[],
): Promise<void> {
  await identify(context, application, source, calls.filter(isAboutProfile));
  const acting = calls.filter(hasActivity);
  for (let from = 0; from < acting.length; from += MAX_BATCH)
    await sendActivities(context, application, source, acting.slice(from, from + MAX_BATCH));
  await takeAudiences(context, application, source, calls);
}

async function takeAudiences(
  context: Context,
  application: Application,
  source: Sender,
  calls: readonly Call[],
): Promise<void> {
  const about = calls.filter(({ audience, subject }) => audience && subject);
  if (about.length === 0) return;
  const changes = about.flatMap(({ audience, subject }) =>
    audience && subject
      ? [{ audienceId: audience.id, audienceName: audience.name, enters: audience.enters, subject }]
      : [],
  );
  const { refused } = await changeAudiences(context, application, source, changes, `source:${source.name}`);
  for (const { index, reason } of refused) about[index]?.problems.push({ outcome: 'refused', reason });
}

type Acting = Call & { activity: NewActivity; subject: Subject };

const hasActivity = (call: Call): call is Acting => call.activity !== undefined && call.subject !== undefined;

const isAboutProfile = (call: Call): call is Call & { subject: Subject } =>
  call.subject !== undefined && call.activity === undefined && (call.unites === true || call.attributes !== undefined);

async function sendActivities(
  context: TakeContext,
  application: Application,
  source: Sender,
  calls: readonly Acting[],
): Promise<void> {
  const sender = { kind: source.trust === 'server' ? 'admin' : 'pages' } as const;
  const send = async (sent: readonly Acting[]): Promise<(Rejected & { call: Acting })[]> => {
    if (sent.length === 0) return [];
    const { rejected } = await context.intake.receiveAll(application, sender, sent.map(itemOf));
    return rejected.flatMap((item) => {
      const call = sent[item.index];
      return call ? [{ ...item, call }] : [];
    });
  };
  let rejected = await send(calls);
  // Nearly all profiles are there: only where one is not does another statement ask.
  const homeless = rejected.filter(({ errors }) => lacksProfile(errors)).map(({ call }) => call);
  if (homeless.length > 0) {
    // LiveLike names the fan of an activity by both ids; with Segment only identify and alias make two ids one.
    await identify(context, application, source, homeless.filter(({ unites }) => unites === true)); // prettier-ignore
    await createProfiles(context, application, source, homeless.filter(({ unites }) => unites !== true)); // prettier-ignore
    // Who got no profile was told why.
    const housed = homeless.filter(({ problems }) => problems.every(({ outcome }) => outcome !== 'refused'));
    rejected = [...rejected.filter(({ errors }) => !lacksProfile(errors)), ...(await send(housed))];
  }
  for (const { call, errors } of rejected) call.problems.push({ outcome: 'refused', reason: explain(errors) });
}

function itemOf({ activity, subject }: Acting): object {
  return {
    id: activity.id,
    type: activity.type,
    ...(subject.customId === undefined ? { profile_id: subject.profileId } : { custom_id: subject.customId }),
    occurred_at: formatInstant(activity.at),
    ...(activity.value !== undefined && { value: activity.value }),
    ...(activity.data && { data: activity.data }),
  };
}

function lacksProfile(errors: FieldErrors): boolean {
  const [first, ...others] = Object.entries(errors);
  return first !== undefined && others.length === 0 && first[1].length === 1 && first[1][0] === NO_PROFILE;
}
