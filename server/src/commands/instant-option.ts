import { ConfigError } from '../config.ts';
import { parseInstant, type Instant } from '../instant.ts';

/** Of an option that was not given: undefined. */
export function readInstantOption(name: string, text: string | undefined): Instant | undefined {
  const at = text === undefined ? undefined : parseInstant(text);
  if (text !== undefined && at === undefined)
    throw new ConfigError(`--${name}: must be an ISO 8601 date and time, not "${text}".`);
  return at;
}
