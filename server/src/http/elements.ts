// The list of a batch: its elements are parsed one by one, when they are asked for. So a batch of 16 MiB is never parsed in
// one step nor held as objects all at once, and what is odd in one element is a problem of that element alone.

import { setImmediate } from 'node:timers/promises';
import { invalid, type FieldErrors } from '../errors.ts';
import type { Element, MeasuredList } from './json-text.ts';
import { findUnsound, mayBeUnsound } from './unsound.ts';

/** Of one element. */
const MAX_VALUES = 10_000;
const MAX_FIELDS = 1_000;

/** What a route says of the list in its body. */
export interface ElementLimits {
  field: string;
  /** How many there may be. */
  most: number;
  /** Of one element's text. */
  bytes: number;
}

export interface ReadElement {
  /** Undefined where it was not parsed. */
  value: unknown;
  problems: FieldErrors | undefined;
}

export interface Elements {
  readonly length: number;
  /** Throws a ValidationError where the text of the element is not JSON, and with it the whole body. */
  read(index: number): ReadElement;
}

/** Of what is in memory already. */
export const elementsOf = (values: readonly unknown[]): Elements => ({
  length: values.length,
  read: (index) => ({ value: values[index], problems: undefined }),
});

/** The list as it stands in a body. */
export function unreadList(body: Buffer, list: MeasuredList, { bytes }: ElementLimits): Elements {
  const tooLarge = `This may have at most ${bytes} bytes of JSON, ${MAX_FIELDS} fields and ${MAX_VALUES} values.`;
  const elements: Elements = {
    length: list.count,
    read(index) {
      const { from, to, values, fields } = elementAt(list, index);
      if (to - from > bytes || values > MAX_VALUES || fields > MAX_FIELDS)
        return { value: undefined, problems: { non_field_errors: [tooLarge] } };
      const text = body.toString('utf8', from, to);
      const value = parseText(text);
      return { value, problems: mayBeUnsound(text) ? findUnsound(value) : undefined };
    },
  };
  unreadLists.add(elements);
  return elements;
}

const unreadLists = new WeakSet<object>();
const isUnreadList = (value: unknown): value is Elements =>
  typeof value === 'object' && value !== null && unreadLists.has(value);

function elementAt(list: MeasuredList, index: number): Element {
  const element = list.elements[index];
  if (!element) throw new RangeError(`no element ${index}`);
  return element;
}

export function parseText(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw invalid(
      'non_field_errors',
      `The body is not valid JSON: ${error instanceof Error ? error.message.slice(0, 100) : ''}`,
    );
  }
}

/** The list in this field; throws a ValidationError where it is none or has too few or too many elements. */
export function requireElements(body: unknown, { field, most }: ElementLimits): Elements {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw invalid('non_field_errors', `The body must be an object with ${field}.`);
  const list = (body as Record<string, unknown>)[field]; // an object has string keys
  if (list === undefined) throw invalid(field, 'This field is required.');
  if (!isUnreadList(list)) throw invalid(field, 'This must be a list.');
  if (list.length < 1 || list.length > most) throw invalid(field, `This must have 1 to ${most} items.`);
  return list;
}

const STEP_MS = 4;

/** Lets others have their turn where work on many elements takes long. */
export function createPace(): { isDue(): boolean; turn(): Promise<void> } {
  let began = performance.now();
  return {
    isDue: () => performance.now() - began > STEP_MS,
    async turn() {
      await setImmediate();
      began = performance.now();
    },
  };
}
