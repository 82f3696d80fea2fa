// Thousands of ids in one parameter or one answer. The driver escapes each element of an array and makes an object of
// each row; ids and numbers need neither, and cost a tenth as one text.

/** For `::uuid[]`, `::int[]` and the like: values that need no quotes, and nulls. */
export const packed = (values: readonly (string | number | null)[]): string =>
  `{${values.map((value) => value ?? 'null').join(',')}}`;

/** For `::text[]`, `::jsonb[]`: any texts, and nulls. */
export const packedTexts = (values: readonly (string | null)[]): string =>
  `{${values.map((value) => (value === null ? 'null' : `"${SPECIAL.test(value) ? value.replace(/["\\]/g, '\\$&') : value}"`)).join(',')}}`;

const SPECIAL = /["\\]/;

/** What `string_agg(…, ',')` put together; null: nothing. */
export const unpacked = (text: string | null): string[] => (text === null || text === '' ? [] : text.split(','));
