// Brings the rows of one piece in, in one transaction, or only judges them. Each row is taken or rejected by itself.

import type { Application } from '../applications/application.ts';
import { isInTheWay, type Intake } from '../activities/intake.ts';
import type { Context } from '../context.ts';
import type { Queryable } from '../database/database.ts';
import { sentencesOf, type FieldErrors } from '../errors.ts';
import { elementsOf } from '../http/elements.ts';
import { EpochMoved } from '../membership/head.ts';
import { upsertMany } from '../profiles/upsert.ts';
import { TakenMeanwhile } from '../profiles/upsert-store.ts';
import { applyMembers } from './apply-members.ts';
import { MAX_REASON, MAX_REJECTED_ROW, type Import, type Rejection } from './import.ts';
import type { Item, PieceRow } from './rows.ts';

export interface OpenPiece {
  rows: readonly PieceRow[];
  /** The same, but for members. */
  items: readonly Item[];
}

export interface Applied {
  accepted: number;
  duplicates: number;
  rejections: Rejection[];
}

/** Somebody else's work was in the way: the same again will do. */
export const isPassing = (error: unknown): boolean =>
  error instanceof TakenMeanwhile || error instanceof EpochMoved || isInTheWay(error);

export async function applyRows(
  tx: Queryable,
  { context, application, intake }: { context: Context; application: Application; intake: Intake },
  row: Import,
  { rows, items }: OpenPiece,
  /** Of profiles: throws NotNew where others than new ones are meant, which the pieces before may be changing. */
  { onlyNew }: { onlyNew: boolean },
): Promise<Applied> {
  if (row.kind === 'members') return cut(await applyMembers(tx, context, application, row, rows));
  const rejections = items.flatMap((item): Rejection[] => {
    const reason = 'problem' in item ? item.problem : item.problems && explain(item.problems);
    return reason === undefined ? [] : [{ line: item.line, reason, row: item.row() }];
  });
  const sound = items.filter(isSound);
  const values = sound.map(({ value }) => value);
  const reject = (index: number, errors: FieldErrors | undefined): void => {
    const item = sound[index];
    if (item) rejections.push({ line: item.line, reason: explain(errors ?? {}), row: item.row() });
  };
  if (row.kind === 'activities') {
    const elements = elementsOf(values);
    const answer = row.is_dry_run
      ? await intake.judge(application, elements)
      : await intake.receiveIn(tx, application, elements);
    for (const { index, errors } of answer.rejected) reject(index, errors);
    return cut({ accepted: answer.accepted, duplicates: answer.duplicates, rejections });
  }
  const results = await upsertMany(tx, context, application, elementsOf(values), {
    isDryRun: row.is_dry_run,
    onlyNew,
  });
  results.forEach((result, index) => {
    if (result.status === 'rejected') reject(index, result.errors);
  });
  return cut({
    accepted: results.filter(({ status }) => status === 'created' || status === 'updated').length,
    duplicates: results.filter(({ status }) => status === 'unchanged').length,
    rejections,
  });
}

const isSound = (item: Item): item is Extract<Item, { value: unknown }> =>
  'value' in item && item.problems === undefined;

const explain = (errors: FieldErrors): string => sentencesOf(errors).join(' ');

function cut(applied: Applied): Applied {
  const rejections = applied.rejections.map(({ line, reason, row }) => ({
    line,
    reason: reason.slice(0, MAX_REASON).toWellFormed(),
    row: row.slice(0, MAX_REJECTED_ROW).replaceAll('\0', '\uFFFD').toWellFormed(),
  }));
  return { ...applied, rejections: rejections.sort((a, b) => a.line - b.line) };
}
