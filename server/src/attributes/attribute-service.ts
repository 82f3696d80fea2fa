// The application's own attributes: defined, changed and deleted. Definitions that a rule reads neither go nor change
// what they mean. A derived one of which no totals are kept yet starts a build (build-facts.ts).

import { describeChange } from '../audit/entry.ts';
import type { Context } from '../context.ts';
import { conflict, denied, invalid, notFound, ValidationError } from '../errors.ts';
import type { Queryable } from '../database/database.ts';
import { newId } from '../ids.ts';
import { formatInstant } from '../instant.ts';
import type { Attribute, BasicDerivation, Catalogue, Fact, FactSpec, ValueType } from '../rules/attribute.ts';
import { factSpecs, findAttribute } from '../rules/catalogue.ts';
import { loadCatalogue } from '../rules/catalogue-store.ts';
import { parseDefinition } from '../rules/definition.ts';
import { FIRST_CUSTOM_ID } from '../rules/platform.ts';
import { isNode, type RuleTree } from '../rules/tree.ts';
import * as store from './attribute-store.ts';
import { nextDefinitionId, raiseDefinitionsVersion } from '../facts/definitions.ts';

export const MAX_DEFINITIONS = 500;
export const MAX_FACTS = 1000;

/** An attribute, and the catalogue in which it stands. */
export interface Defined {
  attribute: Attribute;
  catalogue: Catalogue;
}

export async function defineAttribute(context: Context, applicationId: number, input: unknown): Promise<Defined> {
  const now = formatInstant(context.clock.now());
  const key = await context.db.transaction(async (tx) => {
    await raiseDefinitionsVersion(tx, applicationId);
    const catalogue = await getCatalogue(tx, applicationId);
    const parsed = parseDefinition(input, { catalogue });
    if (!parsed.ok) throw new ValidationError(parsed.errors);
    if ((await store.countDefinitions(tx, applicationId)) >= MAX_DEFINITIONS) {
      throw invalid('non_field_errors', `An application may define at most ${MAX_DEFINITIONS} attributes.`);
    }
    const { definition } = parsed;
    await store.insertDefinition(tx, applicationId, newId(), definition, now);
    describeChange({ object: { type: 'attribute', id: definition.key, name: definition.label }, after: definition });
    if (definition.derived_from) await addFacts(tx, catalogue, definition.derived_from, definition.type);
    return definition.key;
  });
  return getDefined(context, applicationId, key);
}

/** Throws what is wrong with a definition, or with a change of the one under `key`; writes nothing. */
export async function checkDefinition(
  context: Context,
  applicationId: number,
  input: unknown,
  key?: string,
): Promise<void> {
  const catalogue = await getCatalogue(context.db, applicationId);
  const current = key === undefined ? undefined : await getOwn(context.db, catalogue, key);
  const parsed = parseDefinition(input, { catalogue, ...(current && { current }) });
  if (!parsed.ok) throw new ValidationError(parsed.errors);
}

async function getDefined(context: Context, applicationId: number, key: string): Promise<Defined> {
  const catalogue = await context.catalogues.refresh(applicationId);
  const attribute = catalogue.attributes.get(key);
  if (!attribute) throw notFound(); // deleted by another request in between
  return { attribute, catalogue };
}

/** Totals are kept of a fact from its row on; what happened before is read into them by the build. */
async function addFacts(tx: Queryable, catalogue: Catalogue, derived: BasicDerivation, type: ValueType): Promise<void> {
  const { applicationId } = catalogue;
  const fresh = factSpecs(derived, type, catalogue.types).filter(
    (spec) => !catalogue.facts.some((fact) => isSame(fact, spec)),
  );
  if (fresh.length === 0) return;
  if ((await store.countFacts(tx, applicationId)) + fresh.length > MAX_FACTS) {
    throw invalid('derived_from', `An application may derive attributes from at most ${MAX_FACTS} keys of data.`);
  }
  let id = await nextDefinitionId(tx, applicationId);
  for (const fact of fresh) await store.insertFact(tx, applicationId, id++, fact);
}

const isSame = (a: FactSpec, b: FactSpec): boolean => a.typeId === b.typeId && a.key === b.key && a.equals === b.equals;

export async function changeAttribute(
  context: Context,
  applicationId: number,
  key: string,
  input: unknown,
): Promise<Defined> {
  const now = formatInstant(context.clock.now());
  await context.db.transaction(async (tx) => {
    await raiseDefinitionsVersion(tx, applicationId);
    const catalogue = await getCatalogue(tx, applicationId);
    const current = await getOwn(tx, catalogue, key);
    const parsed = parseDefinition(input, { catalogue, current });
    if (!parsed.ok) throw new ValidationError(parsed.errors);
    // Which pairs count would change under the rules that count them.
    if (parsed.definition.writable_by !== current.writable_by)
      await requireUnread(tx, applicationId, key, 'change who writes');
    await store.updateDefinition(tx, applicationId, parsed.definition, now);
    describeChange({
      object: { type: 'attribute', id: key, name: current.label },
      before: current,
      after: parsed.definition,
    });
  });
  return getDefined(context, applicationId, key);
}

/** What profiles have under the key stays. Totals stay as far as another definition reads them. */
export async function deleteAttribute(context: Context, applicationId: number, key: string): Promise<void> {
  await context.db.transaction(async (tx) => {
    await raiseDefinitionsVersion(tx, applicationId);
    const current = await getOwn(tx, await getCatalogue(tx, applicationId), key);
    await requireUnread(tx, applicationId, key, 'delete');
    describeChange({ object: { type: 'attribute', id: key, name: current.label }, before: current });
    await store.deleteDefinition(tx, applicationId, key);
    for (const fact of unreadFacts(await getCatalogue(tx, applicationId)))
      await store.dropFact(tx, applicationId, fact.id);
  });
  await context.catalogues.refresh(applicationId);
}

/** The application's own facts that none of its attributes reads. */
function unreadFacts({ attributes, types, facts }: Catalogue): Fact[] {
  const read = [...attributes.values()].flatMap(
    ({ source, type, derived_from: derived }) =>
      source === 'custom' && derived ? factSpecs(derived as BasicDerivation, type, types) : [], // own ones are of the basic forms
  );
  return facts.filter((fact) => fact.id >= FIRST_CUSTOM_ID && !read.some((spec) => isSame(fact, spec)));
}

async function getCatalogue(tx: Queryable, applicationId: number): Promise<Catalogue> {
  const catalogue = await loadCatalogue(tx, applicationId);
  if (!catalogue) throw notFound();
  return catalogue;
}

async function getOwn(
  tx: Queryable,
  catalogue: Catalogue,
  key: string,
): Promise<NonNullable<Awaited<ReturnType<typeof store.findDefinition>>>> {
  const current = await store.findDefinition(tx, catalogue.applicationId, key);
  if (current) return current;
  if (findAttribute(catalogue, key)) throw denied('This attribute belongs to the platform.');
  throw notFound();
}

const NAMED = 5;

async function requireUnread(tx: Queryable, applicationId: number, key: string, what: string): Promise<void> {
  const rules = await store.listActiveRules(tx, applicationId);
  const readers = new Set(
    rules.filter(({ rule_tree: tree }) => reads(tree, key)).map(({ id, name }) => `'${name}' (${id})`),
  );
  if (readers.size === 0) return;
  const named = [...readers].slice(0, NAMED).join(', ');
  const more = readers.size > NAMED ? ` and ${readers.size - NAMED} more` : '';
  throw conflict(`Cannot ${what} '${key}': the rules of these groups read it: ${named}${more}.`);
}

function reads(tree: RuleTree, key: string): boolean {
  return isNode(tree) ? tree.children.some((child) => reads(child, key)) : tree.attribute === key;
}

/** Whether the totals that the attribute reads are complete; until then rules that read it wait with their backfill. */
export function isReady(attribute: Attribute, catalogue: Catalogue): boolean {
  const { derivation } = attribute;
  const refs = 'facts' in derivation ? derivation.facts : [];
  return !refs.some((ref) => catalogue.facts.some((fact) => fact.id === ref.factId && !fact.built));
}
