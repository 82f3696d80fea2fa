// Numbers by locale, times in the viewer's zone, durations in words.

const locale = typeof navigator === 'undefined' ? 'en' : navigator.language;
const whole = new Intl.NumberFormat(locale);
const compact = new Intl.NumberFormat(locale, { notation: 'compact', maximumFractionDigits: 1 });
const percents = new Intl.NumberFormat(locale, { style: 'percent', maximumFractionDigits: 1 });
const full = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short' });
const date = new Intl.DateTimeFormat(locale, { dateStyle: 'medium' });
const clock = new Intl.DateTimeFormat(locale, { timeStyle: 'short' });
const weekday = new Intl.DateTimeFormat(locale, { weekday: 'long', day: 'numeric', month: 'long' });
const weekdayOfYear = new Intl.DateTimeFormat(locale, {
  weekday: 'long',
  day: 'numeric',
  month: 'long',
  year: 'numeric',
});
const soon = new Intl.DateTimeFormat(locale, {
  weekday: 'short',
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit',
});
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto', style: 'long' });

export const formatNumber = (value: number): string => whole.format(value);
export const formatCompact = (value: number): string =>
  Math.abs(value) < 10_000 ? whole.format(value) : compact.format(value);
export const formatPercent = (value: number): string => percents.format(value);
export const formatSigned = (value: number): string =>
  value > 0 ? `+${whole.format(value)}` : value < 0 ? `−${whole.format(-value)}` : '0';

/** The instant's milliseconds; the API's six digits are one more than Date holds. */
export const millis = (instant: string): number => Date.parse(instant.replace(/(\.\d{3})\d+/, '$1'));

export const formatMoment = (instant: string): string => full.format(millis(instant));

export const formatDate = (instant: string): string => date.format(millis(instant));
export const formatClock = (instant: string): string => clock.format(millis(instant));
/** Of what is to come within weeks: `Fri 4 Dec, 17:00`. */
export const formatSoon = (instant: string): string => soon.format(millis(instant));

const utcDay = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeZone: 'UTC' });
const utcHour = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short', timeZone: 'UTC' });
export const formatDateUtc = (instant: string): string => utcDay.format(millis(instant));
/** Of what is counted by hours or days in UTC, whatever the viewer's zone. */
export const formatUtc = (instant: string, interval: 'hour' | 'day'): string =>
  (interval === 'day' ? utcDay : utcHour).format(millis(instant));

/** The viewer's day that an instant lies in: today, yesterday, or by its date. */
export function formatDay(instant: string, now: number): string {
  const day = new Date(millis(instant));
  const today = new Date(now);
  const yesterday = new Date(today.getFullYear(), today.getMonth(), today.getDate() - 1);
  if (day.toDateString() === today.toDateString()) return 'Today';
  if (day.toDateString() === yesterday.toDateString()) return 'Yesterday';
  return (day.getFullYear() === today.getFullYear() ? weekday : weekdayOfYear).format(day);
}

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 365.25 * 86_400_000],
  ['month', 30.44 * 86_400_000],
  ['week', 7 * 86_400_000],
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1_000],
];

export function formatAgo(instant: string, now: number): string {
  const distance = millis(instant) - now;
  if (Math.abs(distance) < 5_000) return 'just now';
  const [unit, size] = STEPS.find(([, step]) => Math.abs(distance) >= step) ?? ['second', 1_000];
  return relative.format(Math.round(distance / size), unit);
}

/** Two units at most: `3 h 12 min`, `6 d 4 h`, `48 s`. */
export function formatSpan(ms: number): string {
  const total = Math.max(0, Math.round(ms / 1000));
  const parts: [number, string][] = [
    [Math.floor(total / 86_400), 'd'],
    [Math.floor(total / 3_600) % 24, 'h'],
    [Math.floor(total / 60) % 60, 'min'],
    [total % 60, 's'],
  ];
  const first = parts.findIndex(([amount]) => amount > 0);
  if (first < 0) return '0 s';
  return parts
    .slice(first, first + 2)
    .filter(([amount]) => amount > 0)
    .map(([amount, unit]) => `${amount} ${unit}`)
    .join(' ');
}

export const plural = (count: number, one: string, many = `${one}s`): string =>
  `${formatNumber(count)} ${count === 1 ? one : many}`;
