import { Readable } from 'node:stream';
import { Type } from 'typebox';
import type { FastifyReply } from 'fastify';
import type { Context } from '../context.ts';
import { PageOf, PageQuery, presentPage, readPage, type Query } from '../database/page.ts';
import { throwFound, type FieldErrors } from '../errors.ts';
import { LONGEST_UPLOAD_MS, type App } from '../http/route.ts';
import { readInstant } from '../http/range.ts';
import { ClientIdParams } from '../http/schemas.ts';
import type { FileFormat } from '../files/body.ts';
import { askedFormat, TYPES } from '../files/asked-format.ts';
import { exportEntries } from './audit-export.ts';
import { AUDIT_ORDER, pageOfEntries, type AuditFilter } from './audit-store.ts';
import { AuditResource, presentEntry } from './audit.ts';

const text = (description: string) => Type.Optional(Type.String({ description }));

export function auditRoutes(app: App, context: Context): void {
  app.get(
    '/api/v1/applications/:client_id/audit/',
    {
      handlerTimeout: LONGEST_UPLOAD_MS,
      config: { access: 'owner' },
      schema: {
        operationId: 'listAuditEntries',
        summary: 'List what people and tokens changed',
        description:
          'Newest first. Each row was written in the transaction of its change. What says something of an erased profile is erased with it. Rows are kept for `AUDIT_RETENTION`. ' +
          'With `Accept: text/csv` or `application/x-ndjson`, or `format`, all that match as a file, streamed.',
        tags: ['Audit'],
        params: ClientIdParams,
        querystring: Type.Object({
          ...PageQuery,
          actor: text('An e-mail address, the name of a token, or the id of either.'),
          action: text('An operation, such as `updateGroup`.'),
          object_type: text('Such as `group` or `profile`.'),
          object_id: text('Its id.'),
          since: text('ISO 8601.'),
          until: text('ISO 8601; not included.'),
          format: text('`csv` or `ndjson`: all of them as a file.'),
        }),
        response: { 200: PageOf(AuditResource) },
      },
    },
    async (request, reply) => {
      const application = await context.applications.get(request.params.client_id);
      const filter = readFilter(request.query);
      const format = askedFormat(request.query.format, request.headers.accept);
      if (format !== undefined) {
        sendFile(reply, exportEntries(context.db, application.id, filter, format), application.client_id, format);
        return reply;
      }
      const page = readPage(request, AUDIT_ORDER);
      const { rows, count } = await pageOfEntries(context.db, application.id, filter, page);
      return presentPage(request, page, AUDIT_ORDER, rows, count, presentEntry);
    },
  );
}

/** What breaks breaks the answer off, so that nobody takes a part for the whole. */
function sendFile(reply: FastifyReply, entries: AsyncGenerator<string>, clientId: string, format: FileFormat): void {
  reply
    .type(TYPES[format])
    .header('cache-control', 'no-store')
    .header('vary', 'accept')
    .header('content-disposition', `attachment; filename="${clientId}-audit.${format}"`)
    .send(Readable.from(entries));
}

const NAMES = { actor: 'actor', action: 'action', object_type: 'objectType', object_id: 'objectId' } as const;

function readFilter(query: Query): AuditFilter {
  const errors: FieldErrors = {};
  const filter: AuditFilter = {};
  for (const [name, field] of Object.entries(NAMES) as [keyof typeof NAMES, (typeof NAMES)[keyof typeof NAMES]][]) {
    const value = query[name];
    if (typeof value === 'string') filter[field] = value;
  }
  const [since, until] = [readInstant(query, 'since', errors), readInstant(query, 'until', errors)];
  throwFound(errors);
  return { ...filter, ...(since !== undefined && { since }), ...(until !== undefined && { until }) };
}
