// What a migration may not do to tables that a release has filled: hold them while it reads or writes all their rows, or take away
// what servers of the version before still ask for. Reads SQL with PostgreSQL's own parser. A statement that must do so all
// the same says why, in a line of its file: `-- allows <rule>: <reason>`.

import { loadModule, parseSync } from 'libpg-query';
import { statementsApart, type Migration } from '../database/migration-files.ts';

export interface Finding {
  file: string;
  rule: string;
  message: string;
}

/** PostgreSQL's parse tree, as far as it is looked at. */
interface Node {
  [key: string]: unknown;
}

interface State {
  /** Tables of released versions. */
  existing: Set<string>;
  /** `table.constraint` → the column of which it says that it is not null. */
  notNull: Map<string, string>;
  /** `table.column` of which a validated constraint says so. */
  proven: Set<string>;
  /** Constraints that this very file adds: their validation must be a later transaction's. */
  addedHere: Set<string>;
}

type Report = (rule: string, message: string) => void;

/** Findings in the files after `released`, the number of the last one that a release contains. */
export async function lintMigrations(migrations: Migration[], released: number): Promise<Finding[]> {
  await loadModule();
  const state: State = { existing: new Set(), notNull: new Map(), proven: new Set(), addedHere: new Set() };
  const findings: Finding[] = [];
  for (const migration of migrations) {
    const isNew = migration.number > released;
    const allowed = new Set([...migration.text.matchAll(/^-- allows ([a-z-]+): \S/gm)].map((match) => match[1]));
    const apart = statementsApart(migration) !== undefined;
    state.addedHere.clear();
    const { stmts = [] } = parseSync(migration.text) as unknown as { stmts?: { stmt: Record<string, Node> }[] }; // its types name every field, here a few are read
    for (const { stmt } of stmts) {
      const [kind = '', node = {}] = Object.entries(stmt)[0] ?? [];
      const report: Report = (rule, message) => {
        if (isNew && !allowed.has(rule)) findings.push({ file: migration.name, rule, message });
      };
      checkForm(kind, node, apart, report);
      checkStatement(kind, node, state, report);
      if (kind === 'CreateStmt' && !isNew) state.existing.add(tableOf(node));
    }
  }
  return findings;
}

/** A file is one transaction, or statements that may each be run again. */
function checkForm(kind: string, node: Node, apart: boolean, report: Report): void {
  const isConcurrent = node['concurrent'] === true;
  if (kind === 'TransactionStmt') report('transaction', 'the runner begins and commits; leave it to it');
  if (!apart) {
    if (isConcurrent) report('concurrently', 'runs in no transaction: begin the file with `-- without a transaction`');
    return;
  }
  const isRepeatable =
    (kind === 'IndexStmt' && isConcurrent && node['if_not_exists'] === true) ||
    (kind === 'DropStmt' && isConcurrent && node['missing_ok'] === true) ||
    (kind === 'AlterTableStmt' && commandsOf(node).every(({ subtype }) => subtype === 'AT_ValidateConstraint'));
  if (!isRepeatable)
    report(
      'repeatable',
      'a file without a transaction holds only what may be run again after it was cut off: `create index concurrently if not exists`, `drop index concurrently if exists`, `validate constraint`',
    );
}

function checkStatement(kind: string, node: Node, state: State, report: Report): void {
  const table = tableOf(node);
  const exists = state.existing.has(table);
  switch (kind) {
    case 'AlterTableStmt':
      for (const command of commandsOf(node)) checkCommand(table, exists, command, state, report);
      break;
    case 'IndexStmt':
      if (exists && node['concurrent'] !== true)
        report(
          'index',
          `writers of ${table} wait until it is built: create it concurrently, in a file without a transaction`,
        );
      break;
    case 'DropStmt':
      checkDrop(node, state, report);
      break;
    case 'RenameStmt':
      if (exists) report('rename', `servers of the version before ask for the old name in ${table}`);
      break;
    case 'UpdateStmt':
    case 'DeleteStmt':
      if (exists) report('rows', `changes rows of ${table} while it holds locks: let a chore do it in slices`);
      break;
    case 'InsertStmt':
      if (exists && hasSelect(node)) report('rows', `writes rows of ${table} by a query: let a chore do it in slices`);
      break;
    case 'TruncateStmt':
    case 'LockStmt':
    case 'ClusterStmt':
    case 'VacuumStmt':
    case 'ReindexStmt':
      report('lock', 'holds whole tables');
      break;
    case 'DoStmt':
      if (state.existing.size > 0) report('do', 'nothing looks into a block: write the statements');
      break;
  }
}

interface Command {
  subtype: string;
  name?: string;
  def?: Record<string, Node>;
}

const commandsOf = (node: Node): Command[] =>
  ((node['cmds'] ?? []) as Record<string, Command>[]).flatMap((each) => Object.values(each)); // of PostgreSQL's tree

function checkCommand(table: string, exists: boolean, command: Command, state: State, report: Report): void {
  const constraint = command.def?.['Constraint'];
  if (command.subtype === 'AT_ValidateConstraint') {
    const key = `${table}.${command.name}`;
    const column = state.notNull.get(key);
    if (column !== undefined) state.proven.add(`${table}.${column}`);
    if (exists && state.addedHere.has(key))
      report(
        'validate',
        `${command.name} is validated in the transaction that adds it and holds ${table}: another file`,
      );
  }
  if (constraint && command.subtype === 'AT_AddConstraint') noteConstraint(table, constraint, state);
  if (!exists) return;
  switch (command.subtype) {
    case 'AT_AddColumn':
      checkColumn(table, command.def?.['ColumnDef'] ?? {}, report);
      break;
    case 'AT_SetNotNull':
      if (!state.proven.has(`${table}.${command.name}`))
        report(
          'set-not-null',
          `reads all of ${table} while it holds it: first a check (${command.name} is not null) not valid, validated in a later file`,
        );
      break;
    case 'AT_AddConstraint':
      if (constraint) checkConstraint(table, constraint, report);
      break;
    case 'AT_AlterColumnType':
      report('type', `rewrites ${table} while it holds it: a new column, written beside the old one`);
      break;
    case 'AT_DropColumn':
      report(
        'drop',
        `servers of the version before ask for ${table}.${command.name}: drop it one release later, and say so`,
      );
      break;
    case 'AT_SetLogged':
    case 'AT_SetUnLogged':
    case 'AT_SetTableSpace':
    case 'AT_SetAccessMethod':
      report('rewrite', `rewrites ${table} while it holds it`);
      break;
  }
}

function noteConstraint(table: string, constraint: Node, state: State): void {
  const key = `${table}.${String(constraint['conname'])}`;
  state.addedHere.add(key);
  const test = (constraint['raw_expr'] as Record<string, Node> | undefined)?.['NullTest'];
  if (constraint['contype'] !== 'CONSTR_CHECK' || test?.['nulltesttype'] !== 'IS_NOT_NULL') return;
  const fields = (test['arg'] as { ColumnRef?: { fields: { String?: { sval: string } }[] } }).ColumnRef?.fields ?? [];
  const column = fields.at(-1)?.String?.sval;
  if (column !== undefined) state.notNull.set(key, column);
}

function checkConstraint(table: string, constraint: Node, report: Report): void {
  const type = String(constraint['contype']);
  const isLate = constraint['skip_validation'] === true;
  if ((type === 'CONSTR_CHECK' || type === 'CONSTR_FOREIGN') && !isLate)
    report('constraint', `reads all of ${table} while it holds it: add it not valid, validate it in a later file`);
  const isIndex = ['CONSTR_UNIQUE', 'CONSTR_PRIMARY', 'CONSTR_EXCLUSION'].includes(type);
  if (isIndex && constraint['indexname'] === undefined)
    report(
      'constraint',
      `builds an index while it holds ${table}: build it concurrently, then add the constraint using it`,
    );
}

function checkColumn(table: string, column: Node, report: Report): void {
  const name = String(column['colname']);
  const types = ((column['typeName'] as { names?: { String: { sval: string } }[] } | undefined)?.names ?? []).map(
    (part) => part.String.sval,
  );
  const constraints = ((column['constraints'] ?? []) as { Constraint: Node }[]).map((each) => each.Constraint);
  const of = (type: string): Node | undefined => constraints.find((each) => each['contype'] === type);
  const initial = of('CONSTR_DEFAULT');
  if (of('CONSTR_NOTNULL') && !initial)
    report('add-column', `${table}.${name} is not null and has no default: fails where there are rows`);
  if (of('CONSTR_GENERATED') ?? of('CONSTR_IDENTITY'))
    report('add-column', `${table}.${name} is computed for each row: rewrites ${table}`);
  if (types.some((type) => /serial/.test(type)))
    report('add-column', `${table}.${name} is drawn for each row: rewrites ${table}`);
  if (initial && !isConstant(initial['raw_expr'] as Record<string, Node>))
    report('add-column', `the default of ${table}.${name} may differ from row to row: rewrites ${table}`);
  for (const each of constraints)
    if (['CONSTR_CHECK', 'CONSTR_FOREIGN', 'CONSTR_UNIQUE', 'CONSTR_PRIMARY'].includes(String(each['contype'])))
      checkConstraint(table, each, report);
}

/** Evaluated once for all rows: constants, casts of them, and the time of the transaction. */
function isConstant(expression: Record<string, Node>): boolean {
  const [kind = '', node = {}] = Object.entries(expression)[0] ?? [];
  if (kind === 'A_Const' || kind === 'SQLValueFunction') return true;
  if (kind === 'TypeCast') return isConstant(node['arg'] as Record<string, Node>);
  if (kind === 'A_ArrayExpr') return ((node['elements'] ?? []) as Record<string, Node>[]).every(isConstant);
  if (kind !== 'FuncCall') return false;
  const parts = (node['funcname'] as { String: { sval: string } }[]).map((part) => part.String.sval);
  return parts.at(-1) === 'now' && node['args'] === undefined;
}

function checkDrop(node: Node, state: State, report: Report): void {
  if (node['removeType'] === 'OBJECT_INDEX' && node['concurrent'] !== true && state.existing.size > 0)
    report('index', 'holds its table: drop it concurrently, in a file without a transaction');
  if (node['removeType'] !== 'OBJECT_TABLE') return;
  for (const object of node['objects'] as { List: { items: { String: { sval: string } }[] } }[]) {
    const table = object.List.items.at(-1)?.String.sval ?? '';
    if (state.existing.has(table))
      report('drop', `servers of the version before ask for ${table}: drop it one release later, and say so`);
  }
}

const tableOf = (node: Node): string => (node['relation'] as { relname?: string } | undefined)?.relname ?? '';

/** `insert … values` is a select too, of lists. */
const hasSelect = (node: Node): boolean => {
  const select = (node['selectStmt'] as Record<string, Node> | undefined)?.['SelectStmt'];
  return select !== undefined && select['valuesLists'] === undefined;
};
