import { ConfigError } from '../config.ts';

/** A whole number that an option gives, `name` without its dashes. */
export function readCountOption(name: string, text: string, max: number, min = 1): number {
  const value = Number(text);
  if (!/^\d{1,10}$/.test(text) || value < min || value > max)
    throw new ConfigError(`--${name}: must be a whole number from ${min} to ${max}, not "${text}".`);
  return value;
}
