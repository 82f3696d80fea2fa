import { Type } from 'typebox';
import type { Context } from '../context.ts';
import { sql, type Database } from '../database/database.ts';
import {
  PageOf,
  PageQuery,
  pageClause,
  presentPage,
  readPage,
  type Order,
  type PageRequest,
} from '../database/page.ts';
import { actorName, shownActor } from '../credential.ts';
import { notFound, partOf, readAll, ValidationError } from '../errors.ts';
import { parseRule } from '../groups/dynamic.ts';
import { GroupResource, presentGroup } from '../groups/group.ts';
import { GroupParams } from '../groups/group-routes.ts';
import { getGroup, updateGroup } from '../groups/group-service.ts';
import { asPresented, ClientIdParams, NoContent, Timestamp } from '../http/schemas.ts';
import type { App } from '../http/route.ts';
import { readUuid } from '../ids.ts';
import { formatInstant } from '../instant.ts';
import { presentTree, type RuleNode } from '../rules/tree.ts';
import { findRuleset, type RulesetRow } from './definitions.ts';
import { MOST_HOURS, readHours } from './coming.ts';
import { deletePin, PinFields, PinResource, setPin } from './pin.ts';
import { readDays } from './past-sizes.ts';
import type { PreviewInput, Previews } from './preview.ts';
import type { RulesCache } from './rules-cache.ts';
import { verify } from './verify.ts';

const GROUPS = '/api/v1/applications/:client_id/profile-groups/';
const GROUP = `${GROUPS}:group/`;
const tags = ['Dynamic groups'];

const RulesetResource = Type.Object(
  {
    id: Type.String(),
    rule_tree: Type.Unsafe<RuleNode>({ type: 'object', additionalProperties: true, description: 'Normalised.' }),
    created_at: Timestamp('When it was saved.'),
    created_by: Type.String({
      description: '`token:<name>` or `producer:<email>`; for read-only tokens `token` or `producer`.',
    }),
  },
  { $id: 'Ruleset' },
);

const PreviewResource = Type.Object({
  count: Type.Integer({ description: 'Exact.' }),
  sample: Type.Array(
    Type.Object({
      id: Type.String(),
      nickname: Type.String(),
      custom_id: Type.Unsafe<string | null>({ type: ['string', 'null'] }),
    }),
    { description: 'Up to 10 of them.' },
  ),
  as_of: Timestamp('The instant that the numbers are of.'),
  entering: Type.Optional(
    Type.Integer({ description: 'With `group_id`: who would enter, the pins of the group included.' }),
  ),
  leaving: Type.Optional(Type.Integer({ description: 'With `group_id`: who would leave.' })),
  history: Type.Optional(
    Type.Array(
      Type.Object({
        day: Type.String({ description: 'A day of the calendar in the application’s `time_zone`, as `2025-04-28`.' }),
        at: Timestamp('The last instant of the day.'),
        size: Type.Integer({ description: 'How many profiles the rule would have found then. Exact.' }),
      }),
      {
        description:
          'With `history`: the sizes of the past, upwards, by activities as they were then and attributes as they are now.',
      },
    ),
  ),
});

const ComparisonResource = Type.Object({
  groups: Type.Array(Type.Object({ id: Type.String(), name: Type.String(), count: Type.Integer() })),
  intersections: Type.Array(
    Type.Object({
      groups: Type.Array(Type.String(), { description: 'Ids of some of the groups.' }),
      count: Type.Integer({ description: 'Who is in all of these.' }),
      only: Type.Integer({ description: 'Who of those is in none of the others.' }),
    }),
    { description: 'One for each choice of groups, those of a single group first.' },
  ),
  union: Type.Integer({ description: 'Who is in any of the groups.' }),
  as_of: Timestamp('The instant of which all of it is true.'),
});

const ComingSide = Type.Object({
  count: Type.Integer({ description: 'Exact.' }),
  results: Type.Array(
    Type.Object({
      profile_id: Type.String(),
      nickname: Type.String(),
      custom_id: Type.Unsafe<string | null>({ type: ['string', 'null'] }),
      at: Timestamp('When it enters or leaves; of one that is due and waits to be evaluated, now.'),
    }),
    { description: 'Up to 20 of them, the soonest first.' },
  ),
});

const ComingResource = Type.Object({
  as_of: Timestamp('The instant that it is reckoned from.'),
  until: Timestamp('The instant by which they will have changed.'),
  entering: ComingSide,
  leaving: ComingSide,
});

const VerificationResource = Type.Object({
  checked: Type.Integer({ description: 'Profiles that were compared.' }),
  missing: Type.Integer({ description: 'Should be members and are not.' }),
  extra: Type.Integer({ description: 'Are members and should not be.' }),
});

const PinParams = Type.Object({
  ...GroupParams.properties,
  profile_id: Type.String({ description: 'The profile’s id, a UUID.' }),
});

export function evaluationRoutes(app: App, context: Context & { rules: RulesCache }, previews: Previews): void {
  app.addHook('onClose', () => previews.close());

  app.post(
    `${GROUPS}preview/`,
    {
      config: {
        access: 'admin',
        reads: true,
        share: 'heavy',
        check: async ({ params, body }) => {
          const application = await context.applications.get((params as { client_id: string }).client_id); // of the path
          const { rule_tree: tree, history } = body as PreviewInput; // it met the schema
          readAll(await partOf(parseRule(context.db, application.id, tree)), () => readDays(history));
        },
      },
      schema: {
        operationId: 'previewRule',
        summary: 'Preview a rule',
        description:
          'Who would be in a group of this rule, exactly. With `group_id`, who would enter and leave that group. With `history`, how many it ' +
          'would have been at the end of each of the last days that are over: of the profiles that were there, by activities up to then, ' +
          'by members of groups as the feeds of these tell, and by attributes and nicknames as they are now; pins are not counted. Changes nothing.',
        tags,
        params: ClientIdParams,
        body: Type.Object({
          rule_tree: Type.Optional(Type.Unknown()),
          group_id: Type.Optional(
            Type.Unsafe<string | null>({
              type: ['string', 'null'],
              description: 'A dynamic group, by id or `custom:…`.',
            }),
          ),
          history: Type.Optional(Type.Unknown({ description: '`{"days": 90}`: so many days, from 1 to 365.' })),
        }),
        response: { 200: PreviewResource },
      },
    },
    async (request, reply) => {
      const application = await context.applications.get(request.params.client_id);
      if (request.body.rule_tree === undefined) throw new ValidationError({ rule_tree: ['This field is required.'] });
      return previews.preview(application, request.body, () => !reply.sent && !reply.raw.destroyed);
    },
  );

  app.post(
    `${GROUPS}compare/`,
    {
      config: { access: 'admin', reads: true, share: 'heavy' },
      schema: {
        operationId: 'compareGroups',
        summary: 'Compare groups',
        description:
          'How two to five groups overlap: the exact size of every intersection, as of one instant. Changes nothing.',
        tags,
        params: ClientIdParams,
        body: Type.Object({
          groups: Type.Optional(Type.Unknown({ description: 'Two to five groups, by id or `custom:…`.' })),
        }),
        response: { 200: ComparisonResource },
      },
    },
    async (request) => {
      const application = await context.applications.get(request.params.client_id);
      return previews.compare(application, request.body);
    },
  );

  app.get(
    `${GROUP}coming/`,
    {
      config: {
        access: 'admin',
        share: 'heavy',
        check: ({ query }) => void readHours((query as { hours?: unknown }).hours), // of any schema
      },
      schema: {
        operationId: 'getComingChanges',
        summary: 'Get who is about to enter or leave a dynamic group',
        description:
          'Who is a member now and will not be then, and the other way round, if nothing else happens: windows end, days pass, pins expire. ' +
          'Exact, groups that the rule reads included. Where very many change, the soonest of them are looked for among some. 409 while the ' +
          'group is filling or paused, and for static groups.',
        tags,
        params: GroupParams,
        querystring: Type.Object({
          hours: Type.Optional(
            Type.String({ description: `So many hours from now, 1 to ${MOST_HOURS}. Default: 24.` }),
          ),
        }),
        conflicts: true,
        response: { 200: ComingResource },
      },
    },
    async (request) => {
      const application = await context.applications.get(request.params.client_id);
      return previews.coming(context.rules, application, request.params.group, readHours(request.query.hours));
    },
  );

  app.post(
    `${GROUP}verify/`,
    {
      config: { access: 'admin', reads: true, share: 'heavy', optionalBody: true },
      schema: {
        operationId: 'verifyGroup',
        summary: 'Verify a dynamic group',
        description:
          'Compares the membership with what the raw activities say, computed another way. 409 while the group is filling or paused, and for static groups.',
        tags,
        params: GroupParams,
        body: Type.Object({}),
        response: { 200: VerificationResource },
      },
    },
    async (request) => {
      const application = await context.applications.get(request.params.client_id);
      const group = await getGroup(context.db, application.id, request.params.group);
      return verify(context, application.id, group.id);
    },
  );

  app.get(
    `${GROUP}rulesets/`,
    {
      config: { access: 'admin' },
      schema: {
        operationId: 'listRulesets',
        summary: 'List the rules that a group has had',
        description: 'Newest first: who saved which rule when.',
        tags,
        params: GroupParams,
        querystring: Type.Object(PageQuery),
        response: { 200: PageOf(RulesetResource) },
      },
    },
    async (request) => {
      const application = await context.applications.get(request.params.client_id);
      const group = await getGroup(context.db, application.id, request.params.group);
      const page = readPage(request, RULESET_ORDER);
      const { rows, count } = await pageOfRulesets(context.db, group.id, page);
      return presentPage(request, page, RULESET_ORDER, rows, count, (row) => ({
        ...row,
        rule_tree: presentTree(row.rule_tree),
        created_at: formatInstant(row.created_at),
        created_by: shownActor(row.created_by, request.credential),
      }));
    },
  );

  app.post(
    `${GROUP}rulesets/:ruleset_id/restore/`,
    {
      serializerCompiler: asPresented,
      config: { access: 'admin', optionalBody: true },
      schema: {
        operationId: 'restoreRuleset',
        summary: 'Go back to an earlier rule',
        description: 'Saves its tree anew, as a PATCH of `rule_tree` would.',
        tags,
        params: Type.Object({ ...GroupParams.properties, ruleset_id: Type.String() }),
        body: Type.Object({}),
        response: { 200: GroupResource },
      },
    },
    async (request) => {
      const application = await context.applications.get(request.params.client_id);
      const group = await getGroup(context.db, application.id, request.params.group);
      const id = readUuid(request.params.ruleset_id);
      const saved = id === undefined ? undefined : await findRuleset(context.db, group.id, id);
      if (!saved) throw notFound();
      const changed = await updateGroup(
        context,
        application,
        group.id,
        { rule_tree: saved.rule_tree },
        actorName(request.credential),
      );
      return presentGroup(changed.group, changed.dynamic);
    },
  );

  app.put(
    `${GROUP}pins/:profile_id/`,
    {
      config: { access: 'admin' },
      schema: {
        operationId: 'pinProfile',
        summary: 'Pin a profile in or out',
        description: 'Stands over the rule, also while the group is paused, until it is taken away or expires.',
        tags,
        params: PinParams,
        body: PinFields,
        response: { 200: PinResource },
      },
    },
    async (request) => {
      const application = await context.applications.get(request.params.client_id);
      const { group, profile_id: profileId } = request.params;
      return setPin(context, application, group, profileId, request.body, actorName(request.credential));
    },
  );

  app.delete(
    `${GROUP}pins/:profile_id/`,
    {
      config: { access: 'admin' },
      schema: {
        operationId: 'unpinProfile',
        summary: 'Take a pin away',
        description: 'The rule decides again. 404 where the profile has no pin in this group.',
        tags,
        params: PinParams,
        response: { 204: NoContent },
      },
    },
    async (request, reply) => {
      const application = await context.applications.get(request.params.client_id);
      await deletePin(context, application, request.params.group, request.params.profile_id);
      return reply.code(204).send(null);
    },
  );
}

const RULESET_ORDER: Order<RulesetRow> = {
  name: 'rulesets',
  columns: [
    { column: 'created_at', type: 'timestamptz' },
    { column: 'id', type: 'uuid' },
  ],
  descending: true,
  key: (row) => [formatInstant(row.created_at), row.id],
};

async function pageOfRulesets(
  db: Database,
  groupId: string,
  page: PageRequest,
): Promise<{ rows: RulesetRow[]; count: number | undefined }> {
  const { after, orderAndLimit } = pageClause(page, RULESET_ORDER);
  return db.transaction(
    async (tx) => {
      const counted = page.wantsCount
        ? await tx.query<{ count: number }>(sql`select count(*) as count from rulesets where group_id = ${groupId}`)
        : undefined;
      const { rows } = await tx.query<RulesetRow>(sql`
        select id, rule_tree, created_at, created_by from rulesets where group_id = ${groupId}${after}${orderAndLimit}`);
      return { rows, count: counted?.rows[0]?.count };
    },
    { isolation: 'repeatable read' },
  );
}
