import { Readable } from 'node:stream';
import { Type, type Static } from 'typebox';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Application } from '../applications/application.ts';
import type { Context } from '../context.ts';
import { MAX_LARGE_PAGE_SIZE, PageOf, PageQuery, presentPage, readNumbers, readPage } from '../database/page.ts';
import { shownActor } from '../credential.ts';
import { invalid, notFound, readAll } from '../errors.ts';
import { formatOf, inflated } from '../files/body.ts';
import { FileQuery, readAskedColumn, readBoolean } from '../files/query.ts';
import { readIdList } from '../files/id-list.ts';
import { NoContent, Timestamp, nullable } from '../http/schemas.ts';
import { LARGE_BODY_LIMIT, LONGEST_UPLOAD_MS, type App } from '../http/route.ts';
import type { Share } from '../http/shares.ts';
import { formatInstant } from '../instant.ts';
import { MAX_SEARCH } from '../profiles/search.ts';
import { MEMBER_AS_OF_ORDER } from './member-as-of-store.ts';
import type { Group } from './group.ts';
import { GroupParams } from './group-routes.ts';
import { getGroup } from './group-service.ts';
import { MAX_INVALID, replaceMembers, type Tolerance } from './replace-service.ts';
import * as service from './member-service.ts';
import { MEMBER_ORDERS } from './member-store.ts';

const MEMBERS = '/api/v1/applications/:client_id/profile-groups/:group/members/';
const tags = ['Profile groups'];

const ids = (description: string) =>
  Type.Optional(Type.Array(Type.String(), { maxItems: service.MAX_IDS, description }));
const AddFields = Type.Object({
  profile_ids: ids(`1 to ${service.MAX_IDS}.`),
  custom_ids: ids('Instead of profile_ids.'),
});
const RemoveFields = Type.Object({ ...AddFields.properties, application_profile_ids: ids('As profile_ids.') });

const AddedResource = Type.Object({
  successfully_added: Type.Array(Type.String()),
  already_added: Type.Array(Type.String()),
  invalid_ids: Type.Array(Type.String()),
});

const MemberResource = Type.Object(
  {
    id: Type.String(),
    nickname: nullable({ description: 'Null only with `as_of`, of a profile that was erased since.' }),
    custom_id: nullable(),
    membership_created_at: Timestamp('When it entered.'),
  },
  { $id: 'GroupMember' },
);

const MembershipResource = Type.Object(
  {
    is_member: Type.Boolean(),
    since: nullable(),
    pin: Type.Unsafe<unknown>({ description: 'Of a dynamic group: the pin over the rule, or null.' }),
    next_change_at: nullable({
      description: 'The first instant at which the membership changes if nothing else happens; null if never.',
    }),
    explanation: Type.Unsafe<unknown>({
      description: 'Of a dynamic group: the rule, each leaf with its actual value and result.',
    }),
  },
  { $id: 'Membership' },
);

const ReplacedResource = Type.Object({
  added: Type.Integer(),
  removed: Type.Integer(),
  unchanged: Type.Integer(),
  invalid_count: Type.Integer(),
  invalid_ids: Type.Array(Type.String(), { description: 'The first 1000.' }),
});

/** Answers with all members of a group as a file, where the caller asks for one by Accept or `?format=`; false where not. */
export type SendMembers = (
  request: FastifyRequest,
  reply: FastifyReply,
  find: () => Promise<{ application: Application; group: Group }>,
) => Promise<boolean>;

export function memberRoutes(app: App, context: Context, sendMembers: SendMembers): void {
  app.post(
    MEMBERS,
    {
      bodyLimit: LARGE_BODY_LIMIT,
      // The documented example names no Content-Type, and curl then sends that of a form.
      config: { access: 'admin', anyContentType: true },
      schema: {
        operationId: 'addMembers',
        summary: 'Add members',
        description: `1 to ${service.MAX_IDS} profiles, by id or by custom id, not both. 409 on a dynamic group: use pins.`,
        tags,
        params: GroupParams,
        body: AddFields,
        response: { 200: AddedResource },
      },
    },
    async (request) => {
      const application = await context.applications.get(request.params.client_id);
      return service.addMembers(context, application, request.params.group, request.body);
    },
  );

  app.delete(
    MEMBERS,
    {
      bodyLimit: LARGE_BODY_LIMIT,
      config: { access: 'admin', anyContentType: true, optionalBody: true },
      // Not even one that is no media type at all is in the way.
      onRequest: async (request) => {
        request.headers['content-type'] = 'application/json';
      },
      schema: {
        operationId: 'removeMembers',
        summary: 'Remove members',
        description:
          'As adding them; profiles that are no members are ignored. The body is JSON, whatever its Content-Type.',
        tags,
        params: GroupParams,
        body: RemoveFields,
        response: { 204: NoContent },
      },
    },
    async (request, reply) => {
      const application = await context.applications.get(request.params.client_id);
      await service.removeMembers(context, application, request.params.group, request.body);
      return reply.code(204).send(null);
    },
  );

  app.put(
    MEMBERS,
    {
      bodyLimit: Number.MAX_SAFE_INTEGER,
      handlerTimeout: LONGEST_UPLOAD_MS,
      config: { access: 'admin', rawBody: true },
      // JSON in particular would be read to its end, and that may be anywhere.
      onRequest: async (request) => void formatOf(request.headers),
      schema: {
        operationId: 'replaceMembers',
        summary: 'Replace all members',
        description:
          'A body of any size, `application/x-ndjson` (JSON strings) or `text/csv` (header `profile_id` or `custom_id`), gzip or not: afterwards exactly these ' +
          'profiles are members, in one step for every reader. A body that ends early or is malformed changes nothing. A second replacement waits for the first. ' +
          `409 with \`valid_count\`, \`invalid_count\` and \`invalid_ids\`, and nothing changed, where no id, or more than ${MAX_INVALID} % of them do not, name a profile.`,
        tags,
        params: GroupParams,
        querystring: Type.Object({
          ...FileQuery,
          max_invalid: Type.Optional(
            Type.String({
              description: `Per cent of the ids that may name no profile, 0 to 100; default ${MAX_INVALID}.`,
            }),
          ),
          allow_invalid: Type.Optional(
            Type.String({ description: '`true`: whatever the ids are. So an empty list empties the group.' }),
          ),
        }),
        response: { 200: ReplacedResource },
      },
    },
    async (request) => {
      const application = await context.applications.get(request.params.client_id);
      const [asked, tolerance] = readAll(
        () => readAskedColumn(request.query),
        () => readTolerance(request.query),
      );
      const body = request.body instanceof Readable ? request.body : Readable.from([]); // there was none
      const ids = readIdList(formatOf(request.headers), inflated(body), asked);
      return replaceMembers(context, application, request.params.group, ids, tolerance);
    },
  );

  app.get(
    MEMBERS,
    {
      config: { access: 'admin', check: readOrder, share: shareOfList },
      schema: {
        operationId: 'listMembers',
        summary: 'List members',
        description:
          'Newest entry first unless told otherwise. With `as_of`, the members at that instant, newest entry first. With `Accept: text/csv` or ' +
          '`application/x-ndjson`, or `format`, all members of now as a file, streamed, as an export has them.',
        tags,
        params: GroupParams,
        querystring: Type.Object({
          ...PageQuery,
          as_of: Type.Optional(Type.String({ description: 'An instant of the past.' })),
          format: Type.Optional(Type.String({ description: '`csv` or `ndjson`: all members as a file.' })),
          last_line: Type.Optional(Type.String({ description: 'Of a file, as of exports.' })),
          nickname: Type.Optional(
            Type.String({
              description: `Of a group of up to ${service.MAX_SORTED} members: those whose nickname starts with this, in any case.`,
            }),
          ),
          search: Type.Optional(
            Type.String({
              maxLength: MAX_SEARCH,
              description: `Of a group of up to ${service.MAX_SORTED} members: those whose nickname has words that start with these, in any case, or whose custom id starts with this.`,
            }),
          ),
          ordering: Type.Optional(
            Type.String({
              description:
                '`-membership_created_at` (default), `membership_created_at`, or, of a group of up to ' +
                `${service.MAX_SORTED} members, \`nickname\` or \`-nickname\`, in any case.`,
              examples: ['-membership_created_at'],
            }),
          ),
        }),
        response: { 200: PageOf(MemberResource) },
      },
    },
    async (request, reply) => {
      const isFile = await sendMembers(request, reply, async () => {
        const application = await context.applications.get(request.params.client_id);
        return { application, group: await getGroup(context.db, application.id, request.params.group) };
      });
      if (isFile) return reply;
      const application = await context.applications.get(request.params.client_id);
      const { as_of: asOf } = request.query;
      const ordering = readOrder(request);
      const nickname = request.query.nickname || undefined;
      const search = request.query.search?.trim() || undefined;
      if (asOf !== undefined) {
        if (ordering !== '-membership_created_at' || nickname !== undefined || search !== undefined)
          throw invalid(
            nickname !== undefined ? 'nickname' : search !== undefined ? 'search' : 'ordering',
            'The members at an instant of the past are listed by newest entry only, and all of them.',
          );
        const page = readPage(request, MEMBER_AS_OF_ORDER, MAX_LARGE_PAGE_SIZE);
        const { rows, count } = await service.listMembersAsOf(
          context,
          application,
          request.params.group,
          String(asOf),
          page,
        );
        return presentPage(request, page, MEMBER_AS_OF_ORDER, rows, count, presentMember);
      }
      const order = MEMBER_ORDERS[ordering];
      const page = readPage(request, order, MAX_LARGE_PAGE_SIZE);
      const { rows, count } = await service.listMembers(
        context,
        application,
        request.params.group,
        { ordering, nickname, search },
        page,
      );
      return presentPage(request, page, order, rows, count, presentMember);
    },
  );

  app.get(
    `${MEMBERS}:profile_id/`,
    {
      config: { access: 'admin' },
      schema: {
        operationId: 'getMembership',
        summary: 'Explain a membership',
        description: 'Whether a profile is a member, since when, and of a dynamic group: why, and when that changes.',
        tags,
        params: Type.Object({ ...GroupParams.properties, profile_id: Type.String() }),
        response: { 200: MembershipResource },
      },
    },
    async (request) => {
      const application = await context.applications.get(request.params.client_id);
      const { group: text, profile_id: id } = request.params;
      const { group, profileId, isMember, since } = await service.getMembership(context, application, text, id);
      if (group.membership_type === 'dynamic') {
        const explained = await context.dynamicGroups.explain(application, group, profileId);
        if (!explained) throw notFound();
        const membership = explained as Static<typeof MembershipResource>; // the evaluation answers in this shape
        const pin = membership.pin as { created_by: string } | null | undefined; // likewise
        if (pin) pin.created_by = shownActor(pin.created_by, request.credential);
        return membership;
      }
      return {
        is_member: isMember,
        since: since === null ? null : formatInstant(since),
        pin: null,
        next_change_at: null,
        explanation: null,
      };
    },
  );
}

function readTolerance(query: { max_invalid?: string; allow_invalid?: string }): Tolerance {
  const { max_invalid: text = String(MAX_INVALID), allow_invalid: allowed = 'false' } = query;
  const [maxInvalid, allowInvalid] = readAll(
    () => {
      if (/^\d{1,3}(\.\d+)?$/.test(text) && Number(text) <= 100) return Number(text);
      throw invalid('max_invalid', 'This must be a number of per cent, 0 to 100.');
    },
    () => readBoolean('allow_invalid', allowed),
  );
  return { maxInvalid, allowInvalid };
}

/** What is not read in the order of an index: folded from the feed, or sorted. */
const shareOfList = ({ query }: FastifyRequest): Share =>
  Object.keys(query as object).every((name) => name in PageQuery) ? 'usual' : 'heavy';

/** With the problems of the page, whose cursor can be read only once the order is known. */
function readOrder(request: FastifyRequest): ReturnType<typeof service.readOrdering> {
  const { ordering } = request.query as { ordering?: string }; // of strings
  return readAll(
    () => service.readOrdering(ordering),
    () => readNumbers(request),
  )[0];
}

function presentMember(member: {
  id: string;
  nickname: string | null;
  custom_id: string | null;
  membership_created_at: number;
}): Static<typeof MemberResource> {
  return {
    id: member.id,
    nickname: member.nickname,
    custom_id: member.custom_id,
    membership_created_at: formatInstant(member.membership_created_at),
  };
}
