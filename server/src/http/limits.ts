// Rate limits of requests, by address, profile and application.

import type { Limits as Maxima } from '../config.ts';
import { createMinuteLimit, type MinuteLimit } from '../per-minute.ts';

/** One set a process: what comes by any door counts together. */
export interface Limits {
  address: MinuteLimit;
  profile: MinuteLimit;
  application: MinuteLimit;
}

export function createLimits(max: Maxima): Limits {
  const limit = (most: number, of: string): MinuteLimit =>
    createMinuteLimit(most, (count) => `More than ${count} requests a minute ${of}.`);
  return {
    address: limit(max.perAddress, 'from this address'),
    profile: limit(max.perProfile, 'for this profile'),
    application: limit(max.perApplication, 'for this application'),
  };
}
