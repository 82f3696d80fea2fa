import { createGzip } from 'node:zlib';
import { pipeline, type Readable } from 'node:stream';
import { Type } from 'typebox';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Context } from '../context.ts';
import { recordReading } from '../audit/entry.ts';
import { invalid, readAll } from '../errors.ts';
import type { FileFormat } from '../files/body.ts';
import { readBoolean } from '../files/query.ts';
import { findGroup } from '../groups/group-service.ts';
import type { SendMembers } from '../groups/member-routes.ts';
import { LONGEST_UPLOAD_MS, type App } from '../http/route.ts';
import { ClientIdParams, ProfileParams } from '../http/schemas.ts';
import { formatInstant, parseInstant } from '../instant.ts';
import { EXPORTS, ProfileExportResource, TYPES, askedFormat, readFormat, type ExportKind } from './export.ts';
import { reachToChange } from '../profiles/reach.ts';
import { startExport, type Export } from './export-service.ts';
import { startProfileExport } from './profile-export.ts';

const tags = ['Exports'];

export const FormatQuery = {
  format: Type.Optional(Type.String({ description: '`csv` or `ndjson`, for who cannot say it by Accept.' })),
  last_line: Type.Optional(
    Type.String({
      description:
        '`true`: a line at the end, `#complete,<rows>` or `{"complete": true, "rows": …}`, tells a file that is whole. Imports pass over it.',
    }),
  ),
};

const QUERIES: Record<ExportKind, Record<string, ReturnType<typeof Type.Optional>>> = {
  profiles: {},
  activities: {
    type: Type.Optional(Type.String({ description: 'Only of this type.' })),
    since: Type.Optional(Type.String({ description: 'Happened at or after this instant.' })),
    until: Type.Optional(Type.String({ description: 'Happened before this instant.' })),
  },
  members: {
    group: Type.Optional(Type.String({ description: 'Of one group, by id or `custom:…`. Default: of all.' })),
  },
  changes: {
    group: Type.Optional(Type.String({ description: 'Of one group, by id or `custom:…`. Default: of all.' })),
  },
};

const DESCRIPTIONS: Record<ExportKind, string> = {
  profiles: 'All profiles, as an import takes them.',
  activities: 'All activities, as an import takes them, or those of a type or a time.',
  members: 'Who is a member of which group now.',
  changes: 'The changes of membership of each group, by sequence.',
};

export function exportRoutes(app: App, context: Context): void {
  app.get(
    '/api/v1/profiles/:profile_id/export/',
    {
      handlerTimeout: LONGEST_UPLOAD_MS,
      config: { access: 'any', audit: 'personal data' },
      schema: {
        operationId: 'exportProfile',
        summary: 'Export all that is stored about a profile',
        description:
          'One JSON document: profile, attributes, tokens and keys of devices (not their texts), groups and changes of membership, activities. For admin tokens and for the profile’s own ' +
          'token, which is not shown attributes, groups and pins that are for administrators only: `withheld` counts them.',
        tags: ['Exports'],
        params: ProfileParams,
        response: { 200: ProfileExportResource },
      },
    },
    async (request, reply) => {
      const { application, profile } = await reachToChange(context, request);
      await recordReading(application.id);
      const isFan = request.credential?.kind === 'profile';
      const made = startProfileExport(context, application, profile, { isFan, origin: request.origin });
      return sendFile(request, reply, made, 'application/json; charset=utf-8', `profile-${profile.id}.json`);
    },
  );

  for (const kind of EXPORTS) {
    app.get(
      `/api/v1/applications/:client_id/exports/${kind}/`,
      {
        handlerTimeout: LONGEST_UPLOAD_MS,
        config: { access: 'admin', strictQuery: true, audit: 'personal data' },
        schema: {
          operationId: `export${kind[0]?.toUpperCase() ?? ''}${kind.slice(1)}`,
          summary: `Export ${kind}`,
          description:
            `${DESCRIPTIONS[kind]} CSV or NDJSON by Accept (\`text/csv\`, \`application/x-ndjson\`) or \`format\`, streamed from one snapshot, gzip where it is accepted. ` +
            'The trailer `Grandstand-Rows` comes only with an export that is whole; a connection that breaks before is not.',
          tags,
          params: ClientIdParams,
          querystring: Type.Object({ ...QUERIES[kind], ...FormatQuery }),
          produces: ['text/csv', 'application/x-ndjson'],
        },
      },
      async (request, reply) => {
        const application = await context.applications.get(request.params.client_id);
        const query = request.query as Query; // of strings
        const [format, isWanted] = readAll(
          () => readFormat(query.format, request.headers.accept),
          () => readBoolean('last_line', query.last_line ?? 'false'),
        );
        const selection = await readSelection(context, application.id, query);
        const groupId = await findGroupId(context, application.id, query.group);
        await recordReading(application.id);
        const made = startExport(context, application, { kind, format, lastLine: isWanted, groupId, ...selection });
        return sendExport(request, reply, made, format, `${application.client_id}-${kind}`);
      },
    );
  }
}

interface Query {
  format?: string;
  last_line?: string;
  group?: string;
  type?: string;
  since?: string;
  until?: string;
}

async function readSelection(context: Context, applicationId: number, query: Query) {
  const { types } = await context.catalogues.get(applicationId);
  const instant = (name: 'since' | 'until'): string | undefined => {
    const text = query[name];
    if (text === undefined) return undefined;
    const at = parseInstant(text);
    if (at === undefined) throw invalid(name, 'This must be an ISO 8601 date and time, such as 2025-04-28T12:16:49Z.');
    return formatInstant(at);
  };
  const [since, until, typeId] = readAll(
    () => instant('since'),
    () => instant('until'),
    () => {
      const typeId = query.type === undefined ? undefined : types.get(query.type)?.id;
      if (query.type !== undefined && typeId === undefined) throw invalid('type', 'There is no such activity type.');
      return typeId;
    },
  );
  return { since, until, typeId };
}

async function findGroupId(
  context: Context,
  applicationId: number,
  text: string | undefined,
): Promise<string | undefined> {
  if (text === undefined) return undefined;
  const group = await findGroup(context.db, applicationId, text);
  if (!group?.is_active) throw invalid('group', `There is no group ${JSON.stringify(text.slice(0, 300))}.`);
  return group.id;
}

/** The members of one group, for its list in groups/. */
export const sendMembersWith =
  (context: Context): SendMembers =>
  async (request, reply, find) => {
    const query = request.query as Query & { as_of?: string }; // of strings
    const format = askedFormat(query.format, request.headers.accept);
    if (format === undefined) return false;
    const isWanted = readBoolean('last_line', query.last_line ?? 'false');
    if (query.as_of !== undefined) throw invalid('as_of', 'A file holds the members of now.');
    const { application, group } = await find();
    const options = { kind: 'members', format, groupId: group.id, isGroupsOwn: true, lastLine: isWanted } as const;
    const made = startExport(context, application, options);
    sendExport(request, reply, made, format, `${group.name.slice(0, 60)}-members`);
    return true;
  };

/** Also of members, whose list may be asked for as a file. */
export function sendExport(
  request: FastifyRequest,
  reply: FastifyReply,
  made: Export,
  format: FileFormat,
  name: string,
): FastifyReply {
  reply.trailer('grandstand-rows', async () => String(made.rows()));
  return sendFile(request, reply, made, TYPES[format], `${name}.${format}`);
}

function sendFile(
  request: FastifyRequest,
  reply: FastifyReply,
  { stream }: Export,
  type: string,
  name: string,
): FastifyReply {
  request.leaveShare?.(); // exports are counted by themselves: one that is taken slowly holds up nothing else
  reply
    .type(type)
    .header('cache-control', 'no-store')
    .header('vary', 'accept, accept-encoding')
    .header('content-disposition', `attachment; filename="${name.replace(/[^\w.-]+/g, '-')}"`);
  const takesGzip = /\bgzip\b(?!\s*;\s*q=0(\.0+)?\s*(,|$))/.test(request.headers['accept-encoding'] ?? '');
  if (!takesGzip) return reply.header('content-encoding', 'identity').send(stream);
  return reply.header('content-encoding', 'gzip').send(compressed(stream));
}

/** What breaks breaks the answer off, so that nobody takes a part for the whole. */
const compressed = (stream: Readable): Readable => pipeline(stream, createGzip({ level: 1 }), () => {});
