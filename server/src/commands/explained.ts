// What the API would refuse, said to who types a command.

import { ConfigError } from '../config.ts';
import { ApiError, sentencesOf, ValidationError } from '../errors.ts';

const optionOf = (field: string): string => `--${field.replaceAll('_', '-')}`;

/** Fields as the options that they came from, one a line. */
export async function explained<T>(work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ValidationError) throw new ConfigError(sentencesOf(error.fields, optionOf).join('\n'));
    throw error instanceof ApiError && error.status === 409 ? new ConfigError(error.detail) : error;
  }
}
