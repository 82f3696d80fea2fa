// All problems of a request at once. Fastify stops at the schema, and what the schema cannot say is found by a route's own
// reading: the length of a trimmed name, a rule against the catalogue. Where strings or the schema are at fault, the
// route's `config.check` reads the fields that are sound, and the answer names what either found.

import type { FastifyRequest, FastifySchemaValidationError } from 'fastify';
import { addOthers, ApiError, ValidationError, fieldOf, soundFields, type FieldErrors } from '../errors.ts';
import { createProblems } from '../problems.ts';
import { isRecord } from '../rules/fields.ts';

export type CheckedPart = 'body' | 'querystring';

/** What the schema found, with what the route's check finds in the fields beside. */
export async function explainAll(
  request: FastifyRequest,
  findings: FastifySchemaValidationError[],
  part = 'body',
): Promise<FieldErrors> {
  const found = explain(findings, part);
  return part === 'body' || part === 'querystring' ? withCheck(request, part, found) : found;
}

/** What was found before the schema was asked, with what schema and check find in the other fields. */
export async function explainFound(request: FastifyRequest, found: FieldErrors): Promise<FieldErrors> {
  const validate = request.getValidationFunction('body') as
    ReturnType<typeof request.getValidationFunction> | undefined; // none without a schema
  const failed = new Set(Object.keys(found).map(fieldOf));
  const sound = isRecord(request.body) ? soundFields(request.body, failed) : request.body;
  const all = { ...found };
  if (validate?.(sound) === false) addOthers(all, explain(validate.errors ?? []));
  return withCheck(request, 'body', all);
}

async function withCheck(request: FastifyRequest, part: CheckedPart, found: FieldErrors): Promise<FieldErrors> {
  const { check } = request.routeOptions.config;
  const sent = part === 'body' ? request.body : request.query;
  if (!check || !isRecord(sent)) return found;
  const failed = new Set(Object.keys(found).map(fieldOf));
  const sound = soundFields(sent, failed);
  if (part === 'body') request.body = sound;
  else request.query = sound;
  try {
    await check(request, failed);
  } catch (error) {
    if (error instanceof ValidationError) addOthers(found, error.fields);
    // Not found or not allowed: what is known to be wrong is answered, and the rest once that is mended.
    else if (!(error instanceof ApiError)) throw error;
  }
  return found;
}

/** Ajv's findings as field → messages, with the paths that a caller wrote. */
function explain(findings: FastifySchemaValidationError[], context = 'body'): FieldErrors {
  const problems = createProblems();
  for (const finding of findings) {
    if (problems.isFull()) break;
    const { keyword, params } = finding;
    const inner =
      keyword === 'required'
        ? String(params['missingProperty'])
        : keyword === 'additionalProperties'
          ? String(params['additionalProperty'])
          : '';
    const path = toPath(finding.instancePath, inner);
    const field = path === '' ? 'non_field_errors' : path;
    problems.add(field, message(finding, path === '' ? `The ${context}` : 'This field'));
  }
  return problems.fields();
}

function toPath(pointer: string, inner: string): string {
  const parts = pointer
    .split('/')
    .slice(1)
    .map((part) => part.replace(/~1/g, '/').replace(/~0/g, '~'));
  if (inner !== '') parts.push(inner);
  return parts.reduce(
    (path, part) => (/^\d+$/.test(part) && path !== '' ? `${path}[${part}]` : path === '' ? part : `${path}.${part}`),
    '',
  );
}

function message({ keyword, params, message: fallback }: FastifySchemaValidationError, subject: string): string {
  switch (keyword) {
    case 'required':
      return 'This field is required.';
    case 'additionalProperties':
      return 'This field is not known.';
    case 'type':
      return `${subject} must be ${[params['type']].flat().join(' or ')}.`;
    case 'enum':
      return `${subject} must be one of: ${[params['allowedValues']].flat().join(', ')}.`;
    case 'minLength':
    case 'maxLength':
      return `${subject} must have at ${keyword === 'minLength' ? 'least' : 'most'} ${String(params['limit'])} characters.`;
    case 'minItems':
    case 'maxItems':
      return `${subject} must have at ${keyword === 'minItems' ? 'least' : 'most'} ${String(params['limit'])} items.`;
    case 'minimum':
    case 'maximum':
      return `${subject} must be at ${keyword === 'minimum' ? 'least' : 'most'} ${String(params['limit'])}.`;
    default:
      return `${subject} ${fallback ?? 'is not valid'}.`;
  }
}
