import { createMinuteLimit, type MinuteLimit } from '../per-minute.ts';

/** How many activities one profile may send a minute with its own token, or through a page's source. */
export const createFloodGate = (max: number): MinuteLimit =>
  createMinuteLimit(max, (count) => `More than ${count} activities a minute of this profile.`);
