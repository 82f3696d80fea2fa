// What the naive evaluator says of one value and of one activity.

import { MICROS_PER_DAY, parseInstant, type Instant } from '../../instant.ts';
import type { Condition } from '../attribute.ts';
import type { DataCondition, RuleLeaf } from '../tree.ts';
import { parseWindow } from '../values.ts';
import { dateAt, daysFrom, hasAnniversary, instantIn } from './naive-days.ts';

export type Value = string | number | boolean;

export type Narrowed = Pick<RuleLeaf, 'window' | 'where' | 'sum_of'>;

interface Counted {
  at: Instant;
  data: Record<string, Value | null> | null;
}

export const OPPOSITES: Record<string, string> = {
  not_equals: 'equals',
  not_contains: 'contains',
  not_in: 'in',
  is_empty: 'is_not_empty',
};

export function meets(
  condition: string,
  value: Value,
  wanted: unknown,
  now: Instant,
  type: string,
  zone = 'UTC',
): boolean {
  const [low, high] = (Array.isArray(wanted) ? wanted : [wanted, wanted]) as [Value, Value];
  switch (condition) {
    case 'is_not_empty':
      return true;
    case 'equals':
    case 'is':
      return value === low;
    case 'greater_than':
    case 'after':
      return value > low;
    case 'greater_than_or_equal':
      return value >= low;
    case 'less_than':
    case 'before':
      return value < low;
    case 'less_than_or_equal':
      return value <= low;
    case 'between':
      return low <= value && value <= high;
    case 'in':
      return (wanted as Value[]).includes(value);
    case 'contains':
      return type === 'list' ? value === low : [...String(value)].join('\n').includes([...String(low)].join('\n'));
    case 'starts_with':
      return String(value).slice(0, String(low).length) === low;
    case 'ends_with':
      return String(value).slice(-String(low).length) === low;
    case 'within_last_x_days':
      return Number(value) <= now && now < Number(value) + Number(low) * MICROS_PER_DAY;
    case 'within_next_x_days':
      return now < Number(value) && Number(value) <= now + Number(low) * MICROS_PER_DAY;
    case 'on_or_before':
    case 'on_or_after': {
      const text = String(low);
      const [a, b] = text.length === 10 ? [dateAt(Number(value), zone), text] : [value, parseInstant(text) ?? NaN];
      return condition === 'on_or_before' ? a <= b : a >= b;
    }
    case 'days_ago_between': {
      const ago = daysFrom(dateAt(Number(value), zone), dateAt(now, zone));
      return Number(low) <= ago && ago <= Number(high);
    }
    case 'anniversary_within_next_x_days':
      return hasAnniversary(dateAt(Number(value), zone), dateAt(now, zone), Number(low));
    default:
      throw new Error(`no condition ${condition}`);
  }
}

export function isCounted(activity: Counted, { window, where = [] }: Narrowed, now: Instant, zone = 'UTC'): boolean {
  const { at, data } = activity;
  if (!where.every((condition) => dataMeets(condition, data?.[condition.key] ?? null))) return false;
  if (window === undefined) return true;
  if (typeof window === 'string') return now - (parseWindow(window) ?? NaN) < at && at <= now;
  const { from, until } = window;
  if (from !== undefined && at < (instantIn(from, zone) ?? NaN)) return false;
  if (until === undefined) return true;
  return until.length === 10 ? dateAt(at, zone) <= until : at < (parseInstant(until) ?? NaN);
}

function dataMeets({ condition, value }: DataCondition, found: Value | null): boolean {
  if (condition === 'is_empty') return (found === null) === (value !== false);
  if (condition === 'is_not_empty') return (found !== null) === (value !== false);
  const positive = OPPOSITES[condition] ?? condition;
  if (positive !== condition)
    return !dataMeets({ key: '', condition: positive as Condition, value: value ?? '' }, found);
  if (condition === 'equals' || condition === 'in') return [value].flat().some((one) => one === found);
  if (/contains|with/.test(condition)) return typeof found === 'string' && meets(condition, found, value, 0, 'string');
  return typeof found === 'number' && meets(condition, found, value, 0, 'number');
}

/** Rounded half away from zero, as decimals are; what is no number, or too large a one, adds nothing. */
export function ten000ths(value: unknown): number {
  if (typeof value !== 'number' || Math.abs(value) > 1e9) return 0;
  return Math.sign(value) * Math.round(Number((Math.abs(value) * 10_000).toPrecision(15)));
}
