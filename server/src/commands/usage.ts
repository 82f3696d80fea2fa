// `grandstand usage`: active, new and returning profiles, as a table or as CSV.

import { defineCommand } from 'citty';
import { getUsage, readUsageRange } from '../usage/usage-service.ts';
import type { UsageRow } from '../usage/usage.ts';
import { explained } from './explained.ts';
import { findApplication } from './find-application.ts';
import { withApp } from './open-app.ts';

const COLUMNS = ['at', 'active', 'new', 'returning', 'activities', 'total', 'active_7d', 'active_30d'] as const;

export const usageCommand = defineCommand({
  meta: { name: 'usage', description: 'Count active, new and returning profiles, exactly.' },
  args: {
    app: { type: 'string', description: 'Client id of the application. Default: the first one.' },
    interval: { type: 'string', description: 'day, week or month. Default: month.', default: 'month' },
    since: { type: 'string', description: 'ISO 8601. Default: 30 days, 13 weeks or 12 months back.' },
    until: { type: 'string', description: 'ISO 8601. Default: now.' },
    csv: { type: 'boolean', default: false, description: 'As CSV.' },
  },
  run: ({ args }) =>
    withApp(async (opened) => {
      const { context } = opened.app;
      const application = await findApplication(context, args.app);
      const usage = await getUsage(context, application, await readRange(args, context.clock.now()));
      process.stdout.write(args.csv ? asCsv(usage.results) : asTable(usage.results));
    }),
});

const readRange = (
  { interval, since, until }: { interval: string; since?: string | undefined; until?: string | undefined },
  now: number,
) =>
  explained(() =>
    readUsageRange({ interval, ...(since !== undefined && { since }), ...(until !== undefined && { until }) }, now),
  );

const cells = (row: UsageRow): string[] =>
  COLUMNS.map((column) => String(column === 'at' ? row.at.slice(0, 10) : row[column]));

const asCsv = (rows: readonly UsageRow[]): string =>
  [COLUMNS.join(','), ...rows.map((row) => cells(row).join(','))].join('\n') + '\n';

function asTable(rows: readonly UsageRow[]): string {
  const lines = [[...COLUMNS], ...rows.map(cells)];
  const widths = COLUMNS.map((_, n) => Math.max(...lines.map((line) => line[n]?.length ?? 0)));
  return lines.map((line) => line.map((cell, n) => cell.padStart(widths[n] ?? 0)).join('  ')).join('\n') + '\n';
}
