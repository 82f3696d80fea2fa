import { Type } from 'typebox';
import type { FastifyRequest } from 'fastify';
import type { Context } from '../context.ts';
import { actorName } from '../credential.ts';
import { PageOf, PageQuery, presentPage, readPage } from '../database/page.ts';
import type { App } from '../http/route.ts';
import { asPresented, ClientIdParams, IfMatch, NoContent, readPathId } from '../http/schemas.ts';
import {
  MAX_WRITE_KEY,
  MIN_WRITE_KEY,
  presentItem,
  presentSource,
  SourceFields,
  SourceItemResource,
  SourceResource,
} from './source.ts';
import * as service from './source-service.ts';
import * as store from './source-store.ts';

const SourceParams = Type.Object({
  ...ClientIdParams.properties,
  source_id: Type.String({ description: 'The source’s id, a UUID.' }),
});

const SOURCES = '/api/v1/applications/:client_id/sources/';
const SOURCE = '/api/v1/applications/:client_id/sources/:source_id/';
const tags = ['Sources'];

export function sourceRoutes(app: App, context: Context): void {
  app.setSerializerCompiler(asPresented);

  app.post(
    SOURCES,
    {
      config: {
        access: 'owner',
        check: async ({ params, body }) => {
          const application = await context.applications.get((params as { client_id: string }).client_id); // of the path
          await service.checkFields(context, application, body as SourceFields); // only what met the schema
        },
      },
      schema: {
        operationId: 'createSource',
        summary: 'Create a source',
        description:
          'A system that sends what fans do in a form of its own, by a key of its own. The `write_key` is shown here only. Which calls become what: docs/sources/.',
        tags,
        params: ClientIdParams,
        body: SourceFields,
        response: { 201: SourceResource },
      },
    },
    async (request, reply) => {
      const application = await context.applications.get(request.params.client_id);
      const actor = actorName(request.credential);
      const { source, writeKey } = await service.createSource(context, application, request.body, actor);
      reply.code(201).header('cache-control', 'no-store');
      return presentSource(source, request.origin, writeKey);
    },
  );

  app.get(
    SOURCES,
    {
      config: { access: 'admin', check: (request) => readPage(request, store.SOURCE_ORDER) },
      schema: {
        operationId: 'listSources',
        summary: 'List sources',
        description: 'Newest first.',
        tags,
        params: ClientIdParams,
        querystring: Type.Object(PageQuery),
        response: { 200: PageOf(SourceResource) },
      },
    },
    async (request) => {
      const application = await context.applications.get(request.params.client_id);
      const page = readPage(request, store.SOURCE_ORDER);
      const { rows, count } = await store.pageOfSources(context.db, application.id, page);
      return presentPage(request, page, store.SOURCE_ORDER, rows, count, (row) => presentSource(row, request.origin));
    },
  );

  app.get(
    SOURCE,
    {
      config: { access: 'admin' },
      schema: {
        operationId: 'getSource',
        summary: 'Get a source',
        description: 'Without its key.',
        tags,
        params: SourceParams,
        response: { 200: SourceResource },
      },
    },
    async (request) => {
      const application = await context.applications.get(request.params.client_id);
      return presentSource(
        await service.getSource(context, application, readPathId(request.params.source_id)),
        request.origin,
      );
    },
  );

  app.patch(
    SOURCE,
    {
      config: { access: 'owner', optionalBody: true },
      schema: {
        operationId: 'updateSource',
        summary: 'Change a source',
        description: 'Changes the given fields, within seconds for everything that comes in from then on.',
        tags,
        params: SourceParams,
        headers: IfMatch,
        body: SourceFields,
        response: { 200: SourceResource },
      },
    },
    async (request) => {
      const application = await context.applications.get(request.params.client_id);
      const ifMatch = request.headers['if-match'];
      const id = readPathId(request.params.source_id);
      const source = await service.updateSource(context, application, id, request.body, ifMatch);
      return presentSource(source, request.origin);
    },
  );

  app.delete(
    SOURCE,
    {
      config: { access: 'owner' },
      schema: {
        operationId: 'deleteSource',
        summary: 'Delete a source',
        description: 'Its key is refused from then on. What it sent stays.',
        tags,
        params: SourceParams,
        response: { 204: NoContent },
      },
    },
    async (request, reply) => {
      const application = await context.applications.get(request.params.client_id);
      await service.deleteSource(context, application, readPathId(request.params.source_id));
      return reply.code(204).send(null);
    },
  );

  app.post(
    `${SOURCE}rotate-key/`,
    {
      config: { access: 'owner', optionalBody: true },
      schema: {
        operationId: 'rotateSourceKey',
        summary: 'Rotate the key of a source',
        description: 'Shows the new key, once. For 24 hours the old one is taken too.',
        tags,
        params: SourceParams,
        body: Type.Object({
          write_key: Type.Optional(
            Type.String({
              minLength: MIN_WRITE_KEY,
              maxLength: MAX_WRITE_KEY,
              description: 'Of LiveLike required: the new client secret there. Of Segment: default a new one.',
            }),
          ),
        }),
        response: { 200: Type.Object({ write_key: Type.String() }) },
      },
    },
    async (request, reply) => {
      const application = await context.applications.get(request.params.client_id);
      const key = request.body.write_key;
      const writeKey = await service.rotateKey(context, application, readPathId(request.params.source_id), key);
      reply.header('cache-control', 'no-store');
      return { write_key: writeKey };
    },
  );

  itemRoutes(app, context);
}

function itemRoutes(app: App, context: Context): void {
  const list = async (request: FastifyRequest, filter: store.ItemFilter) => {
    const params = request.params as { client_id: string; source_id: string }; // of the path
    const application = await context.applications.get(params.client_id);
    const page = readPage(request, store.ITEM_ORDER);
    const source = await service.getSource(context, application, readPathId(params.source_id));
    const { rows, count } = await store.pageOfItems(context.db, source.id, filter, page);
    return presentPage(request, page, store.ITEM_ORDER, rows, count, presentItem);
  };

  app.get(
    `${SOURCE}problems/`,
    {
      config: { access: 'admin', check: (request) => readPage(request, store.ITEM_ORDER) },
      schema: {
        operationId: 'listSourceProblems',
        summary: 'List what a source sent in vain',
        description: 'The last 1,000 items that were refused or not mapped, with the reason, for 7 days; newest first.',
        tags,
        params: SourceParams,
        querystring: Type.Object(PageQuery),
        response: { 200: PageOf(SourceItemResource) },
      },
    },
    (request) => list(request, 'problems'),
  );

  app.get(
    `${SOURCE}recent/`,
    {
      config: { access: 'admin', check: (request) => readPage(request, store.ITEM_ORDER) },
      schema: {
        operationId: 'listSourceItems',
        summary: 'List what a source sent lately',
        description: 'Its problems, and a sample of what was taken: some items a second, the last 100. Newest first.',
        tags,
        params: SourceParams,
        querystring: Type.Object(PageQuery),
        response: { 200: PageOf(SourceItemResource) },
      },
    },
    (request) => list(request, 'all'),
  );
}
