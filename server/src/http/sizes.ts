// How long the lists of a request are, held against its schema before the schema is: a validator that looks for all problems
// visits every item, however many too many there are.

import { createProblems, type FieldErrors, type Problems } from '../problems.ts';
import { isRecord } from '../rules/fields.ts';

/** What of a JSON schema says how large something may be. */
interface SizedSchema {
  maxItems?: number;
  items?: SizedSchema;
  properties?: Record<string, SizedSchema>;
}

/** The lists that are too long for this JSON schema; undefined where none is. */
export function findTooLong(schema: object, value: unknown): FieldErrors | undefined {
  const problems = createProblems();
  visit(schema as SizedSchema, value, '', problems); // what it does not say is undefined
  return problems.isEmpty() ? undefined : problems.fields();
}

function visit(schema: SizedSchema, value: unknown, path: string, problems: Problems): void {
  if (Array.isArray(value)) {
    const { items, maxItems = Infinity } = schema;
    if (value.length > maxItems) {
      problems.add(path || 'non_field_errors', `This field must have at most ${maxItems} items.`);
    } else if (items && (items.items ?? items.properties)) {
      value.forEach((item, index) => visit(items, item, `${path}[${index}]`, problems));
    }
  } else if (schema.properties && isRecord(value)) {
    for (const [name, inner] of Object.entries(schema.properties)) {
      if ((inner.items ?? inner.properties) && Object.hasOwn(value, name))
        visit(inner, value[name], path ? `${path}.${name}` : name, problems);
    }
  }
}
