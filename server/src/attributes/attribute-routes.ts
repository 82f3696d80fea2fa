import { Type } from 'typebox';
import type { FastifyRequest } from 'fastify';
import type { Context } from '../context.ts';
import { notFound } from '../errors.ts';
import { ClientIdParams, NoContent } from '../http/schemas.ts';
import type { App } from '../http/route.ts';
import type { Attribute, Catalogue } from '../rules/attribute.ts';
import { SPECIAL_ATTRIBUTES, presentAttribute } from '../rules/catalogue.ts';
import { MAX_CHOICES } from '../rules/definition.ts';
import * as service from './attribute-service.ts';
import type { FactBuilder } from './build-facts.ts';
import { CONDITION_INFO } from './condition-labels.ts';

const text = (description: string) => Type.String({ description });

const AttributeResource = Type.Object(
  {
    key: text('What rules call it.'),
    label: text('For people.'),
    description: Type.String(),
    category: Type.String(),
    type: text('`string`, `number`, `boolean`, `datetime` or `list`.'),
    conditions: Type.Array(Type.String(), { description: 'What rules may ask of it.' }),
    supports_window: Type.Boolean({
      description: 'Whether a rule may ask it over the last days, hours or minutes only.',
    }),
    missing: Type.Unsafe<0 | false | null>({
      description: 'The value of a profile without one: 0, false or null, which is no value.',
    }),
    choices: Type.Optional(
      Type.Array(Type.String(), { description: 'The values to choose from, where they are few.' }),
    ),
    unit: Type.Optional(Type.String()),
    source: text('`platform` or `custom`.'),
    writable_by: text('`admin` or `profile`.'),
    visible_to: text('`admin`, `owner` or `public`.'),
    derived_from: Type.Optional(
      Type.Record(Type.String(), Type.Unknown(), { description: 'How it is computed from activities.' }),
    ),
    ready: Type.Boolean({ description: 'False while past activities are still being read into a new definition.' }),
  },
  { $id: 'Attribute' },
);

const DefinitionBody = {
  type: 'object',
  description:
    'Unknown fields inside `derived_from` are errors; PATCH changes neither `key` nor `type` nor `derived_from`.',
  properties: {
    key: { type: 'string', description: 'As it stands on profiles, 1 to 200 characters.' },
    label: { type: 'string' },
    description: { type: 'string' },
    category: { type: 'string' },
    type: {
      type: 'string',
      enum: ['string', 'number', 'boolean', 'datetime', 'list'],
      description: 'Not needed where `derived_from` decides it.',
    },
    unit: { type: ['string', 'null'] },
    choices: { type: ['array', 'null'], items: { type: 'string' }, maxItems: MAX_CHOICES },
    writable_by: { type: 'string', enum: ['admin', 'profile'] },
    visible_to: { type: 'string', enum: ['admin', 'owner', 'public'] },
    derived_from: {
      type: ['object', 'null'],
      description:
        '`{fn: count | sum | exists | first | last | state, types, key?, where?: {key, equals}}`; a state needs `key`, the others may have `where`.',
    },
  },
};

const KeyParams = Type.Object({
  ...ClientIdParams.properties,
  key: Type.String({ description: 'The attribute’s key, percent-encoded.' }),
});

export function attributeRoutes(app: App, context: Context, builder: FactBuilder): void {
  const check = async ({ params, body }: FastifyRequest): Promise<void> => {
    const { client_id: clientId, key } = params as { client_id: string; key?: string }; // of both paths
    const application = await context.applications.get(clientId);
    await service.checkDefinition(context, application.id, body, key);
  };

  app.get(
    '/api/v1/applications/:client_id/profile-attributes/',
    {
      config: { access: 'admin' },
      schema: {
        operationId: 'listAttributes',
        summary: 'The catalogue of attributes',
        description:
          'Everything that rules can read, in one answer: the platform’s attributes and the application’s own. With it `leaves`, the two that stand beside the catalogue, and `conditions`, how conditions are called and what value they take.',
        tags: ['Attributes'],
        params: ClientIdParams,
        response: {
          200: Type.Object({
            count: Type.Integer(),
            next: Type.Null(),
            previous: Type.Null(),
            results: Type.Array(AttributeResource),
            leaves: Type.Array(AttributeResource),
            conditions: Type.Array(
              Type.Object({
                condition: Type.String(),
                label: Type.String(),
                value: text(
                  '`one` value of the attribute’s type, a `range` of two, a `list`, a number of `days`, a `days_range` of two such numbers, a `boolean` or `none`.',
                ),
              }),
            ),
          }),
        },
      },
    },
    async (request) => {
      const application = await context.applications.get(request.params.client_id);
      const catalogue = await context.catalogues.get(application.id);
      const results = [...catalogue.attributes.values()].map((attribute) => present(attribute, catalogue));
      const leaves = [...SPECIAL_ATTRIBUTES.values()].map((attribute) => present(attribute, catalogue));
      return { count: results.length, next: null, previous: null, results, leaves, conditions: [...CONDITION_INFO] };
    },
  );

  app.post(
    '/api/v1/applications/:client_id/profile-attributes/',
    {
      config: { access: 'admin', check },
      validatorCompiler: () => () => true, // parsed in one place, which names every problem
      schema: {
        operationId: 'defineAttribute',
        summary: 'Define an attribute',
        description:
          'A typed one that is stored on profiles, or one that is derived from activities; past activities count as well.',
        tags: ['Attributes'],
        params: ClientIdParams,
        body: DefinitionBody,
        response: { 201: AttributeResource },
      },
    },
    async (request, reply) => {
      const application = await context.applications.get(request.params.client_id);
      const { attribute, catalogue } = await service.defineAttribute(context, application.id, request.body);
      // Under an Idempotency-Key it is committed only later.
      if (!context.db.isTogether(async () => builder.wake())) builder.wake();
      reply.code(201);
      return present(attribute, catalogue);
    },
  );

  app.get(
    '/api/v1/applications/:client_id/profile-attributes/:key/',
    {
      config: { access: 'admin' },
      schema: {
        operationId: 'getAttribute',
        summary: 'Get an attribute',
        description: 'One of the platform or of the application.',
        tags: ['Attributes'],
        params: KeyParams,
        response: { 200: AttributeResource },
      },
    },
    async (request) => {
      const application = await context.applications.get(request.params.client_id);
      const catalogue = await context.catalogues.get(application.id);
      const attribute = catalogue.attributes.get(request.params.key);
      if (!attribute) throw notFound();
      return present(attribute, catalogue);
    },
  );

  app.patch(
    '/api/v1/applications/:client_id/profile-attributes/:key/',
    {
      config: { access: 'admin', optionalBody: true, check },
      validatorCompiler: () => () => true, // likewise
      schema: {
        operationId: 'updateAttribute',
        summary: 'Change the definition of an attribute',
        description: 'Of one of the application’s own. 409 where `writable_by` would change what a rule reads.',
        tags: ['Attributes'],
        params: KeyParams,
        body: DefinitionBody,
        response: { 200: AttributeResource },
      },
    },
    async (request) => {
      const application = await context.applications.get(request.params.client_id);
      const { attribute, catalogue } = await service.changeAttribute(
        context,
        application.id,
        request.params.key,
        request.body,
      );
      return present(attribute, catalogue);
    },
  );

  app.delete(
    '/api/v1/applications/:client_id/profile-attributes/:key/',
    {
      config: { access: 'admin' },
      schema: {
        operationId: 'deleteAttribute',
        summary: 'Delete the definition of an attribute',
        description:
          'Of one of the application’s own. 409 where a rule reads it. What profiles have stored under the key stays; defined anew, it may have another type.',
        tags: ['Attributes'],
        params: KeyParams,
        response: { 204: NoContent },
      },
    },
    async (request, reply) => {
      const application = await context.applications.get(request.params.client_id);
      await service.deleteAttribute(context, application.id, request.params.key);
      builder.wake();
      return reply.code(204).send(null);
    },
  );
}

function present(attribute: Attribute, catalogue: Catalogue) {
  const { conditions, choices, derived_from: derivedFrom, ...shown } = presentAttribute(attribute);
  return {
    ...shown,
    conditions: [...conditions],
    ...(choices && { choices: [...choices] }),
    ...(derivedFrom && { derived_from: { ...derivedFrom } }),
    ready: service.isReady(attribute, catalogue),
  };
}
