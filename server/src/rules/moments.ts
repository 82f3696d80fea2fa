// Texts that name an instant, in rules and on profiles: a date without a time is a day in the application's time zone.

import { parseInstant, type Instant } from '../instant.ts';
import { dayNamed, type Zone } from './zone.ts';

/** The same of a text that was stored together with the instant that it names in UTC. */
export const storedInstant = (text: unknown, at: Instant, zone: Zone): Instant =>
  zone.name === 'UTC' || typeof text !== 'string' || text.length !== 10 ? at : (instantNamed(text, zone) ?? at);

/** The instant that a text names, of a day its start; undefined where it names none. */
export function instantNamed(text: string, zone: Zone): Instant | undefined {
  const at = parseInstant(text);
  if (at === undefined) return undefined;
  const day = dayNamed(text);
  return day === undefined ? at : zone.startOf(day);
}
