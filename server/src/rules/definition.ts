// An attribute of the application's own as sent to POST and PATCH: every problem at once, each under its field.

import type { BasicDerivation, Catalogue, Scalar, ValueType, Where } from './attribute.ts';
import { SPECIAL_ATTRIBUTES, type DefinitionRow } from './catalogue.ts';
import { UNREACHABLE, isReachable } from '../ids.ts';
import { createProblems } from '../problems.ts';
import { isRecord, own, type Report, reportUnknownFields, shorten } from './fields.ts';
import { codePoints, isUnstorable, MAX_TEXT } from './values.ts';

export type ParsedDefinition =
  { ok: true; definition: DefinitionRow } | { ok: false; errors: Record<string, string[]> };

const TYPES: readonly ValueType[] = ['string', 'number', 'boolean', 'datetime', 'list'];
export const MAX_CHOICES = 200;
const MAX_TYPES = 50;

/** What each function gives; null: whichever scalar type the definition names. */
const RESULT_TYPES: Readonly<Record<BasicDerivation['fn'], ValueType | null>> = {
  count: 'number',
  sum: 'number',
  exists: 'boolean',
  first: 'datetime',
  last: 'datetime',
  state: null,
};

/**
 * Reads a definition. With `current` (PATCH) absent fields keep their values, and `key`, `type` and `derived_from` may
 * be repeated but not changed. Activity types must be known to the catalogue.
 */
export function parseDefinition(
  input: unknown,
  context: { catalogue: Catalogue; current?: DefinitionRow },
): ParsedDefinition {
  const problems = createProblems();
  const definition = isRecord(input) ? readDefinition(input, context, problems.add) : undefined;
  if (!isRecord(input)) problems.add('non_field_errors', 'Must be an object.');
  return definition && problems.isEmpty() ? { ok: true, definition } : { ok: false, errors: problems.fields() };
}

function readDefinition(
  input: Record<string, unknown>,
  { catalogue, current }: { catalogue: Catalogue; current?: DefinitionRow },
  report: Report,
): DefinitionRow | undefined {
  const key = readText(input, 'key', report, current?.key);
  if (key !== undefined && key === '') report('key', 'May not be empty.');
  if (key !== undefined && !isReachable(key)) report('key', UNREACHABLE);
  if (current && key !== undefined && key !== current.key) report('key', 'Cannot be changed.');
  if (!current && key !== undefined) {
    const known = catalogue.attributes.get(key) ?? SPECIAL_ATTRIBUTES.get(key);
    if (known) report('key', `There is already an attribute '${shorten(key)}'.`);
  }
  const derived = readDerivation(input, catalogue, current, report);
  const type = readType(input, derived, current, report);
  const writable_by = readChoice(
    input,
    'writable_by',
    ['admin', 'profile'] as const,
    current?.writable_by ?? 'admin',
    report,
  );
  if (derived && writable_by === 'profile') report('writable_by', 'A derived attribute is written by nobody.');
  const visible_to = readChoice(
    input,
    'visible_to',
    ['admin', 'owner', 'public'] as const,
    current?.visible_to ?? 'owner',
    report,
  );
  const label = readText(input, 'label', report, current?.label ?? key ?? '');
  const description = readText(input, 'description', report, current?.description ?? '', 1000);
  const category = readText(input, 'category', report, current?.category ?? 'custom');
  const unit = readUnit(input, current, report);
  const choices = readChoices(input, type, current, report);
  if (derived?.fn === 'state' && type) checkStateType(derived, type, catalogue, report);
  if (!key || !type || label === undefined || description === undefined || category === undefined) return undefined;
  return {
    key,
    label: label === '' ? key : label,
    description,
    category: category === '' ? 'custom' : category,
    type,
    unit,
    choices,
    writable_by,
    visible_to,
    derived_from: derived ?? null,
  };
}

function readText(
  input: Record<string, unknown>,
  field: string,
  report: Report,
  otherwise: string | undefined,
  longest = MAX_TEXT,
): string | undefined {
  const value = own(input, field);
  if (value === undefined) {
    if (otherwise === undefined) report(field, 'This field is required.');
    return otherwise;
  }
  return checkText(value, field, report, longest) ? value : undefined;
}

function checkText(value: unknown, path: string, report: Report, longest = MAX_TEXT): value is string {
  if (typeof value !== 'string') report(path, 'Must be a text.');
  else if (isUnstorable(value)) report(path, 'May not contain NUL or half of a surrogate pair.');
  else if (codePoints(value) > longest) report(path, `May have at most ${longest} characters.`);
  else return true;
  return false;
}

function readChoice<T extends string>(
  input: Record<string, unknown>,
  field: string,
  allowed: readonly T[],
  otherwise: T,
  report: Report,
): T {
  const value = own(input, field);
  if (value === undefined) return otherwise;
  const known = allowed.find((one) => one === value);
  if (!known) report(field, `Must be one of ${allowed.join(', ')}.`);
  return known ?? otherwise;
}

function readUnit(input: Record<string, unknown>, current: DefinitionRow | undefined, report: Report): string | null {
  const unit = own(input, 'unit');
  if (unit === undefined) return current?.unit ?? null;
  if (unit === null || unit === '') return null;
  return checkText(unit, 'unit', report, 40) ? unit : null;
}

function readChoices(
  input: Record<string, unknown>,
  type: ValueType | undefined,
  current: DefinitionRow | undefined,
  report: Report,
): string[] | null {
  const choices = own(input, 'choices');
  if (choices === undefined) return current?.choices ?? null;
  if (choices === null) return null;
  if (type !== undefined && type !== 'string' && type !== 'list') {
    report('choices', 'Are allowed only for the types string and list.');
  } else if (!Array.isArray(choices) || choices.length === 0 || choices.length > MAX_CHOICES) {
    report('choices', `Must be a list of 1 to ${MAX_CHOICES} texts.`);
  } else if (choices.every((choice, index): choice is string => checkText(choice, `choices[${index}]`, report))) {
    if (new Set(choices).size === choices.length) return choices;
    report('choices', 'May not repeat a text.');
  }
  return null;
}

function readType(
  input: Record<string, unknown>,
  derived: BasicDerivation | undefined,
  current: DefinitionRow | undefined,
  report: Report,
): ValueType | undefined {
  const result = derived ? RESULT_TYPES[derived.fn] : null;
  const sent = own(input, 'type');
  if (sent === undefined) {
    const type = current?.type ?? result;
    if (!type) report('type', `This field is required. Allowed: ${TYPES.join(', ')}.`);
    return type ?? undefined;
  }
  const type = TYPES.find((one) => one === sent);
  if (!type) report('type', `Must be one of ${TYPES.join(', ')}.`);
  else if (current && type !== current.type) report('type', 'Cannot be changed.');
  else if (result && type !== result) report('type', `'${derived?.fn}' gives the type ${result}.`);
  else if (derived?.fn === 'state' && type === 'list') report('type', 'A state cannot be a list.');
  return type;
}

function readDerivation(
  input: Record<string, unknown>,
  catalogue: Catalogue,
  current: DefinitionRow | undefined,
  report: Report,
): BasicDerivation | undefined {
  const sent = own(input, 'derived_from');
  if (sent === undefined) return current?.derived_from ?? undefined;
  const derived = sent === null ? undefined : checkDerivation(sent, catalogue, report);
  if (
    current &&
    JSON.stringify(derived ?? null) !== JSON.stringify(current.derived_from && canonical(current.derived_from))
  ) {
    report('derived_from', 'Cannot be changed; delete the definition and make another.');
  }
  return derived;
}

const FUNCTIONS = Object.keys(RESULT_TYPES) as BasicDerivation['fn'][]; // the keys of that record

function checkDerivation(sent: unknown, catalogue: Catalogue, report: Report): BasicDerivation | undefined {
  const path = 'derived_from';
  if (!isRecord(sent)) {
    report(path, 'Must be an object with fn and types, or null.');
    return undefined;
  }
  const fn = FUNCTIONS.find((name) => name === own(sent, 'fn'));
  if (!fn) report(`${path}.fn`, `Must be one of ${FUNCTIONS.join(', ')}.`);
  const types = checkTypes(own(sent, 'types'), catalogue, report);
  reportUnknownFields(sent, ['fn', 'types', 'key', 'where'], path, report);
  const key = own(sent, 'key');
  const where = own(sent, 'where');
  if (fn === 'state') {
    if (where !== undefined) report(`${path}.where`, 'Is not allowed with state.');
    const sound = checkDataKey(key, `${path}.key`, report);
    return types && sound ? { fn, types, key: key as string } : undefined; // checked to be one
  }
  if (fn && key !== undefined) report(`${path}.key`, 'Is allowed only with state.');
  const condition = where === undefined ? undefined : checkWhere(where, `${path}.where`, report);
  return fn && types ? { fn, types, ...(condition && { where: condition }) } : undefined;
}

function checkTypes(sent: unknown, catalogue: Catalogue, report: Report): string[] | undefined {
  const path = 'derived_from.types';
  if (!Array.isArray(sent) || sent.length === 0 || sent.length > MAX_TYPES) {
    report(path, `Must be a list of 1 to ${MAX_TYPES} activity types, or of '*' alone.`);
    return undefined;
  }
  const types: unknown[] = sent;
  if (types.includes('*') && types.length > 1) report(path, `'*' is any type and stands alone.`);
  if (new Set(types).size !== types.length) report(path, 'May not repeat a type.');
  types.forEach((type, index) => {
    if (type === '*') return;
    if (typeof type !== 'string') report(`${path}[${index}]`, 'Must be a text.');
    else if (!catalogue.types.has(type)) report(`${path}[${index}]`, `There is no activity type '${shorten(type)}'.`);
  });
  return types as string[]; // used only when nothing was reported
}

function checkDataKey(key: unknown, path: string, report: Report): key is string {
  if (key === undefined) report(path, 'This field is required.');
  else if (checkText(key, path, report)) {
    if (key !== '') return true;
    report(path, 'May not be empty.');
  }
  return false;
}

function checkWhere(sent: unknown, path: string, report: Report): Where | undefined {
  if (!isRecord(sent)) {
    report(path, 'Must be an object with key and equals.');
    return undefined;
  }
  reportUnknownFields(sent, ['key', 'equals'], path, report);
  const key = own(sent, 'key');
  const equals = own(sent, 'equals');
  const sound = checkDataKey(key, `${path}.key`, report);
  if (typeof equals === 'string') checkText(equals, `${path}.equals`, report);
  else if (typeof equals !== 'boolean' && !(typeof equals === 'number' && Number.isFinite(equals))) {
    report(`${path}.equals`, 'Must be a text, a number, true or false.');
  }
  return sound ? { key, equals: equals as Scalar } : undefined; // used only when nothing was reported
}

/** Totals keep one state of a key: two attributes cannot read it as different types. */
function checkStateType(
  derived: Extract<BasicDerivation, { fn: 'state' }>,
  type: ValueType,
  catalogue: Catalogue,
  report: Report,
): void {
  for (const name of derived.types) {
    const typeId = name === '*' ? 0 : catalogue.types.get(name)?.id;
    const fact = catalogue.facts.find(
      (row) => row.typeId === typeId && row.key === derived.key && row.equals === null && row.valueType !== type,
    );
    if (fact) report('type', `The state '${shorten(derived.key)}' of '${name}' is already kept as ${fact.valueType}.`);
  }
}

/** The same derivation with its fields in the order in which parsing gives them. */
function canonical(derived: BasicDerivation): BasicDerivation {
  if (derived.fn === 'state') return { fn: derived.fn, types: derived.types, key: derived.key };
  const { fn, types, where } = derived;
  return { fn, types, ...(where && { where: { key: where.key, equals: where.equals } }) };
}
