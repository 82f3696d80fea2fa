// `grandstand demo --live`: the season goes on after its end, at a pace that is chosen, for as long as one lets it.

import { setTimeout as wait } from 'node:timers/promises';
import type { Application } from '../applications/application.ts';
import { createIntake } from '../activities/intake.ts';
import type { Context } from '../context.ts';
import { formatInstant, MICROS_PER_SECOND, type Instant } from '../instant.ts';
import { customIdOf } from './fans.ts';
import type { Season } from './season.ts';

const MINUTE = 60 * MICROS_PER_SECOND;
const BATCH = 500;
const LOOK_EVERY_MS = 250;

export interface LiveSeason {
  /** Sends what fell due by now. Returns how many activities that were. */
  sendDue(): Promise<number>;
}

/** From now on so many activities a minute, evenly. */
export function liveSeason(context: Context, application: Application, season: Season, perMinute: number): LiveSeason {
  const intake = createIntake(context);
  const next = season.goOn();
  const start = context.clock.now();
  let sent = 0;
  const instantOf = (n: number): Instant => Math.floor(start + ((n + 1) * MINUTE) / perMinute);
  return {
    async sendDue() {
      const now = context.clock.now();
      let sentNow = 0;
      while (instantOf(sent) <= now) {
        const batch: object[] = [];
        for (; batch.length < BATCH && instantOf(sent) <= now; sent++) {
          const { fan, id, at, type, value, data } = next(instantOf(sent));
          batch.push({ id, type, custom_id: customIdOf(fan), occurred_at: formatInstant(at), value, data });
        }
        const answer = await intake.receive(application, { kind: 'admin' }, batch);
        sentNow += answer.accepted;
      }
      return sentNow;
    },
  };
}

/** Until the signal. `afterwards` comes after each look, whether something was sent or not. */
export async function goOn(live: LiveSeason, signal: AbortSignal, afterwards: () => Promise<unknown>): Promise<void> {
  while (!signal.aborted) {
    await live.sendDue();
    await afterwards();
    await wait(LOOK_EVERY_MS, undefined, { signal }).catch(() => {}); // told to end
  }
}
