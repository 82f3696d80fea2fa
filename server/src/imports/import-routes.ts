import { Readable } from 'node:stream';
import { Type } from 'typebox';
import type { FastifyRequest } from 'fastify';
import type { Context } from '../context.ts';
import { actorName, shownActor } from '../credential.ts';
import { PageOf, PageQuery, presentPage, readPage } from '../database/page.ts';
import { invalid, readAll } from '../errors.ts';
import { formatOf, inflated } from '../files/body.ts';
import { FileQuery, readAskedColumn, readBoolean } from '../files/query.ts';
import { readIdempotencyKey } from '../http/idempotency.ts';
import { LONGEST_UPLOAD_MS, type App } from '../http/route.ts';
import { ClientIdParams } from '../http/schemas.ts';
import type { Importer } from './importer.ts';
import {
  ImportResource,
  KINDS,
  MAX_NAME,
  presentImport,
  type Import,
  type ImportKind,
  type Rejection,
} from './import.ts';
import * as service from './import-service.ts';
import { IMPORT_ORDER } from './import-store.ts';
import { FilePreview, previewFile } from './preview.ts';

const IMPORTS = '/api/v1/applications/:client_id/imports/';
const tags = ['Imports'];
const ImportParams = Type.Object({
  ...ClientIdParams.properties,
  import_id: Type.String({ description: 'The import’s id, a UUID.' }),
});

const list = (options: Record<string, unknown>) =>
  Type.Optional(
    Type.Unsafe<string | string[]>({
      anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }],
      ...options,
    }),
  );

const ImportQuery = {
  of: Type.Optional(Type.String({ description: `What the rows are: ${KINDS.join(', ')}.` })),
  group: Type.Optional(
    Type.String({
      description: 'Of members: the static group, by id or `custom:…`. Else a column `group_id` says it.',
    }),
  ),
  ids: FileQuery.ids,
  column: list({
    description:
      'Of CSV whose headers are not all known: of members the header of the column with the ids, else `<field>:<header>`, as often as needed.',
  }),
  header: FileQuery.header,
  ignore_unknown: Type.Optional(
    Type.String({ description: '`true`: columns whose header is not known are left out.' }),
  ),
};

export function importRoutes(app: App, context: Context, importer: Importer): void {
  const present = (
    { credential, origin }: FastifyRequest,
    clientId: string,
    row: Import,
    rejections?: readonly Rejection[],
  ): ImportResource =>
    presentImport({ ...row, created_by: shownActor(row.created_by, credential) }, clientId, origin, rejections);

  app.post(
    IMPORTS,
    {
      bodyLimit: Number.MAX_SAFE_INTEGER,
      handlerTimeout: LONGEST_UPLOAD_MS,
      config: { access: 'admin', rawBody: true, strictQuery: true, ownIdempotency: true, check: readQuery },
      onRequest: async (request) => void formatOf(request.headers),
      schema: {
        operationId: 'createImport',
        summary: 'Import a file',
        description:
          'A body of any size, `text/csv` or `application/x-ndjson` (an object a line as the API takes it; of members also a JSON string), gzip or not. It is read to its end ' +
          'and answered with an import, which goes on in the background; what ends early or is malformed as a whole leaves nothing. Each row is accepted, a duplicate or ' +
          'rejected by itself. Sending the same file again changes nothing.',
        tags,
        params: ClientIdParams,
        querystring: Type.Object({
          ...ImportQuery,
          dry_run: Type.Optional(Type.String({ description: '`true`: judges the rows and stores nothing.' })),
          name: Type.Optional(Type.String({ description: `Of the file, at most ${MAX_NAME} characters.` })),
        }),
        response: { 202: ImportResource },
      },
    },
    async (request, reply) => {
      const application = await context.applications.get(request.params.client_id);
      const { kind, isDryRun, name, asked } = readQuery(request);
      const hash = readIdempotencyKey(context, request);
      const query = request.url.split('?')[1] ?? '';
      const body = request.body instanceof Readable ? request.body : Readable.from([]); // there was none
      const { row, replayed } = await service.receiveImport(
        context,
        application,
        {
          kind,
          format: formatOf(request.headers),
          name,
          isDryRun,
          asked,
          createdBy: actorName(request.credential),
          key: hash && { hash, query },
        },
        body,
      );
      importer.wake();
      if (replayed) reply.header('idempotent-replayed', 'true');
      const answer = present(request, application.client_id, row);
      reply.code(202).header('location', answer.url);
      return answer;
    },
  );

  app.post(
    `${IMPORTS}preview/`,
    {
      config: { access: 'admin', reads: true, rawBody: true, strictQuery: true, ownIdempotency: true },
      onRequest: async (request) => void formatOf(request.headers),
      schema: {
        operationId: 'previewImport',
        summary: 'See how a file would be read',
        description:
          'The beginning of a file, up to 64 KiB of it: its delimiter, headers and first rows, and what each column is taken for. Nothing is stored.',
        tags,
        params: ClientIdParams,
        querystring: Type.Object({ of: ImportQuery.of, header: FileQuery.header }),
        response: { 200: FilePreview },
      },
    },
    async (request) => {
      const [kind, hasHeader] = readAll(
        () => readKind(request.query.of),
        () => readBoolean('header', request.query.header ?? 'true'),
      );
      const body = request.body instanceof Readable ? request.body : Readable.from([]); // there was none
      return previewFile(kind, formatOf(request.headers), inflated(body), hasHeader);
    },
  );

  app.get(
    IMPORTS,
    {
      config: { access: 'admin' },
      schema: {
        operationId: 'listImports',
        summary: 'List imports',
        description: 'Newest first.',
        tags,
        params: ClientIdParams,
        querystring: Type.Object(PageQuery),
        response: { 200: PageOf(ImportResource) },
      },
    },
    async (request) => {
      const application = await context.applications.get(request.params.client_id);
      const page = readPage(request, IMPORT_ORDER);
      const { rows, count } = await service.listImports(context, application, page);
      return presentPage(request, page, IMPORT_ORDER, rows, count, (row) =>
        present(request, application.client_id, row),
      );
    },
  );

  app.get(
    `${IMPORTS}:import_id/`,
    {
      config: { access: 'admin' },
      schema: {
        operationId: 'getImport',
        summary: 'See how far an import is',
        description: 'Counts grow while it runs. Once it is `done` or `failed` nothing of it changes any more.',
        tags,
        params: ImportParams,
        response: { 200: ImportResource },
      },
    },
    async (request) => {
      const application = await context.applications.get(request.params.client_id);
      const row = await service.getImport(context, application, request.params.import_id);
      return present(request, application.client_id, row, await service.firstRejected(context, row));
    },
  );

  app.get(
    `${IMPORTS}:import_id/rejected/`,
    {
      config: { access: 'admin' },
      schema: {
        operationId: 'listRejectedRows',
        summary: 'Download the rejected rows',
        description: 'CSV: the line in the file, why it was rejected, and the row. Kept for 30 days.',
        tags,
        params: ImportParams,
        produces: ['text/csv'],
      },
    },
    async (request, reply) => {
      const application = await context.applications.get(request.params.client_id);
      const row = await service.getImport(context, application, request.params.import_id);
      reply
        .type('text/csv; charset=utf-8')
        .header('content-disposition', `attachment; filename="rejected-${row.id}.csv"`);
      return reply.send(Readable.from(service.rejectedRows(context, row)));
    },
  );
}

interface Query {
  of?: string;
  group?: string;
  ids?: string;
  column?: string | string[];
  header?: string;
  ignore_unknown?: string;
  dry_run?: string;
  name?: string;
}

function readQuery(request: FastifyRequest) {
  const query = request.query as Query; // as the schema has it
  const columns = [query.column ?? []].flat();
  const [kind, isDryRun, ignoreUnknown, ids, name] = readAll(
    () => readKind(query.of),
    () => readBoolean('dry_run', query.dry_run ?? 'false'),
    () => readBoolean('ignore_unknown', query.ignore_unknown ?? 'false'),
    () => {
      if (query.of === 'members' && columns.length > 1) throw invalid('column', 'Name one column.');
      const [column] = columns;
      const asked = {
        ...(query.ids !== undefined && { ids: query.ids }),
        ...(query.header !== undefined && { header: query.header }),
      };
      return readAskedColumn(query.of === 'members' && column !== undefined ? { ...asked, column } : asked);
    },
    () => {
      const { name: text = '' } = query;
      if (text.length > MAX_NAME) throw invalid('name', `This must have at most ${MAX_NAME} characters.`);
      return text;
    },
  );
  return { kind, isDryRun, name, asked: { columns, ignoreUnknown, ids, group: query.group } };
}

function readKind(text: string | undefined): ImportKind {
  const kind = KINDS.find((each) => each === text);
  if (kind === undefined) throw invalid('of', `This must be one of: ${KINDS.join(', ')}.`);
  return kind;
}
