// `grandstand demo` on the command line. Works beside a server that is running, and without one: then the season is lived
// through, where nothing was evaluated before.

import { defineCommand } from 'citty';
import { audited } from '../commands/audited.ts';
import { readCountOption } from '../commands/count-option.ts';
import { findApplication } from '../commands/find-application.ts';
import { readInstantOption } from '../commands/instant-option.ts';
import { openApp } from '../commands/open-app.ts';
import { originOf } from '../config.ts';
import { runDemo } from './demo.ts';
import { goOn, liveSeason } from './go-on.ts';
import { createSeason } from './season.ts';
import { openProgress } from '../progress.ts';

const MAX_PROFILES = 10_000_000;
const MAX_ACTIVITIES = 1_000_000_000;
const MAX_A_MINUTE = 60_000;

export const demoCommand = defineCommand({
  meta: { name: 'demo', description: 'Fill an application with a believable season of fans, activities and groups.' },
  args: {
    profiles: { type: 'string', default: '1000', description: 'How many fans.' },
    activities: { type: 'string', default: '20000', description: 'How many activities.' },
    seed: { type: 'string', default: '1', description: 'The same seed makes the same season.' },
    until: { type: 'string', description: 'The end of the season, ISO 8601. Default: now.' },
    'at-once': {
      type: 'boolean',
      default: false,
      description: 'Fill it in at once: sooner done, and groups have no past.',
    },
    live: { type: 'string', description: 'Then go on with so many activities a minute, until it is stopped (Ctrl C).' },
    app: { type: 'string', description: 'Client id of the application. Default: the first one.' },
  },
  async run({ args }) {
    const options = {
      profiles: readCountOption('profiles', args.profiles, MAX_PROFILES),
      activities: readCountOption('activities', args.activities, MAX_ACTIVITIES),
      seed: readCountOption('seed', args.seed, 2 ** 31 - 1, 0),
    };
    const perMinute = args.live === undefined ? undefined : readCountOption('live', args.live, MAX_A_MINUTE);
    const end = readInstantOption('until', args.until);
    const { app, isAlone } = await openApp({ firstStart: true });
    try {
      const progress = openProgress();
      const application = await findApplication(app.context, args.app);
      if (app.firstStart) {
        const { clientId, clientSecret, adminToken } = app.firstStart;
        progress.note(
          `client id      ${clientId}\nclient secret  ${clientSecret}\nadmin token    ${adminToken}\nKeep these: they are shown once.`,
        );
      }
      const filled = { ...options, atOnce: args['at-once'], end: end ?? app.context.clock.now() };
      await audited(app.context, application, { action: 'fillDemo', request: options }, () =>
        runDemo(app.context, application, filled, progress),
      );
      if (isAlone) await app.worker.tick(); // no server is there to fill the groups
      progress.note(`The season is in the application “${application.name}” (${application.client_id}).`);
      progress.note(
        isAlone
          ? 'Next: start the server, `grandstand start`, and open the console at the address that it prints.'
          : `Next: open the console, ${originOf(app.context.config)}/.`,
      );
      if (perMinute === undefined) return;
      progress.note(`It goes on, ${perMinute.toLocaleString('en')} activities a minute. Ctrl C ends it.`);
      const live = liveSeason(app.context, application, createSeason(filled), perMinute);
      await goOn(live, untilStopped(), async () => isAlone && app.worker.tick());
    } finally {
      await app.close();
    }
  },
});

/** Aborted when the process is told to stop. */
function untilStopped(): AbortSignal {
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort());
  return stop.signal;
}
