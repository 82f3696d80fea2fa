// The HTTP tracking API of Segment: its paths, among them the short ones of its browser library, its ways to say the key, its
// answer. Who sends too fast is told so; a call that is no good is kept as a problem, and answered 200 as there, since
// clients throw whole batches away for any other answer.

import type { IncomingMessage } from 'node:http';
import type { FastifyRequest } from 'fastify';
import { createFloodGate } from '../activities/flood.ts';
import type { Intake } from '../activities/intake.ts';
import type { Context } from '../context.ts';
import { ApiError, invalid } from '../errors.ts';
import { inflated } from '../files/body.ts';
import { collect, readJson } from '../http/body.ts';
import { createPace, elementsOf, requireElements, type Elements, type ReadElement } from '../http/elements.ts';
import type { Limits } from '../http/limits.ts';
import type { App } from '../http/route.ts';
import { isRecord, own } from '../rules/fields.ts';
import type { Application } from '../applications/application.ts';
import { Readable } from 'node:stream';
import type { Call } from './call.ts';
import { createItemLog, type ItemLog } from './item-log.ts';
import { BatchBody, CallBody, MAX_BATCH, Taken } from './intake-schemas.ts';
import { readCall, readInstant, type CallKind, type Envelope } from './segment.ts';
import { createSourceKeys } from './source-keys.ts';
import { PROBLEMS_KEPT, type Source } from './source.ts';
import { takeCalls, type TakeContext } from './take.ts';
import { anonymousProfileId } from './anonymous.ts';

/** What becomes of each: docs/sources/segment.md. */
const PATHS: readonly [kind: CallKind, becomes: string][] = [
  [
    'identify',
    'The traits become attributes of the profile; with `userId` and `anonymousId` the two are one fan from then on.',
  ],
  ['track', 'Becomes an activity; its type is made of the name of the event.'],
  ['page', 'Becomes an activity `page-viewed`.'],
  ['screen', 'Becomes an activity `screen-viewed`.'],
  ['group', 'Becomes the trait `group_id` of the profile.'],
  ['alias', 'The fan of `previousId` becomes part of the user.'],
];
const ANSWERED =
  ' Segment’s HTTP API: JSON whatever the Content-Type says, gzip too. A call that is no good is answered 200 as well, and stands among the problems of the source.';
const SHORT = ' The short path of Segment’s browser library.';

/** Segment takes 500 KB. */
const BODY_LIMIT = 4 * 1024 * 1024;
/** Where only the body says who sends. */
const UNKNOWN_BODY_LIMIT = 1024 * 1024;
const BATCH = { field: 'batch', most: MAX_BATCH, bytes: 65_536 };

/** What all sources of a process share. */
export interface SourceIntake {
  take: TakeContext;
  log: ItemLog;
  limits: Limits;
}

export function segmentRoutes(app: App, context: Context, { take, log, limits }: SourceIntake): void {
  const keys = createSourceKeys(context);
  const flood = createFloodGate(context.config.limits.perProfile);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', async (_request: FastifyRequest, payload: IncomingMessage) => payload);

  const authenticate = async (request: FastifyRequest, key: string | undefined): Promise<Source> => {
    const source = key === undefined || key === '' ? undefined : await keys.byKey(key);
    if (!source || source.trust === 'client') limits.address(request.address);
    if (!source) throw refusedKey(key);
    return source;
  };

  /** The source and the body, in the order in which the least is done for strangers. */
  const open = async (request: FastifyRequest): Promise<{ source: Source; body: unknown }> => {
    const said = basicUser(request.headers.authorization);
    let source = said === undefined ? undefined : await authenticate(request, said);
    const body = await readBody(request, source ? BODY_LIMIT : UNKNOWN_BODY_LIMIT);
    if (!source) {
      const key = isRecord(body) ? own(body, 'writeKey') : undefined;
      source = await authenticate(request, typeof key === 'string' ? key : undefined);
    }
    return { source, body };
  };

  const receive = async (request: FastifyRequest, kind: CallKind | undefined, isHistory: boolean) => {
    const { source, body } = await open(request);
    const application = await context.applications.getById(source.application_id);
    limits.application(application.client_id);
    const items = kind === undefined ? itemsOf(body) : single(request, body);
    const calls = await readCalls(application, source, items, kind, body, isHistory);
    if (source.trust === 'client') limitFans(flood, source, calls);
    const sender = { ...source, isMeant: isHistory && source.trust === 'server' };
    await takeCalls(take, application, sender, calls);
    await log.add(source, calls);
    return { success: true };
  };

  const readCalls = async (
    application: Application,
    source: Source,
    items: Elements,
    kind: CallKind | undefined,
    body: unknown,
    isHistory: boolean,
  ): Promise<Call[]> => {
    const fields = isRecord(body) ? body : {};
    const said = own(fields, 'context');
    const envelope: Envelope = {
      mapping: source.mapping,
      trust: source.trust,
      catalogue: await context.catalogues.get(application.id),
      receivedAt: context.clock.now(),
      // What is brought in from the past is dated by who has it.
      sentAt: isHistory ? undefined : readInstant(own(fields, 'sentAt')),
      isHistory,
      context: isRecord(said) ? said : {},
      anonymousProfile: (id) => anonymousProfileId(context.secrets, source.id, id),
    };
    const pace = createPace();
    const calls: Call[] = [];
    const bad: Call[] = [];
    for (let index = 0; index < items.length; index++) {
      if (pace.isDue()) await pace.turn();
      const call = readCall(items.read(index), kind, envelope);
      calls.push(call);
      if (call.problems.length === 0) continue;
      bad.push(call);
      // As many problems are kept: a batch of nothing else is not held in memory as a whole.
      const former = bad.length > PROBLEMS_KEPT ? bad.shift() : undefined;
      if (former) former.item = undefined;
    }
    return calls;
  };

  const cors = { allowedHeaders: ['authorization', 'content-type', 'x-retry-count'] };
  app.options('/v1/*', { schema: { hide: true }, config: { cors } }, async (_request, reply) => reply.code(204).send());
  const schemaOf = (name: string, summary: string, description: string, describedBody: object) => ({
    operationId: `send${name}`,
    summary,
    description,
    tags: ['Sources'],
    describedBody,
    response: { 200: Taken },
  });
  for (const [kind, becomes] of PATHS)
    for (const path of [kind, kind.charAt(0)]) {
      const isShort = path !== kind;
      const name = `${kind.charAt(0).toUpperCase()}${kind.slice(1)}${isShort ? 'Short' : ''}`;
      const said = becomes + ANSWERED + (isShort ? SHORT : '');
      const schema = schemaOf(name, `Send a call of kind ${kind}`, said, CallBody(kind));
      app.post(`/v1/${path}`, { bodyLimit: BODY_LIMIT, config: { ownAccess: 'write-key' }, schema }, (request) =>
        receive(request, kind, false),
      );
    }
  for (const [path, name, what] of [
    ['batch', 'Batch', 'Each of its calls is taken by itself.'],
    ['b', 'BatchShort', `Each of its calls is taken by itself.${SHORT}`],
    ['import', 'History', 'As a batch, with timestamps as they are: what is brought in from the past.'],
  ] as const) {
    const schema = schemaOf(
      name,
      path === 'import' ? 'Send calls of the past' : 'Send calls',
      what + ANSWERED,
      BatchBody,
    );
    const config = { elements: BATCH, ownAccess: 'write-key' } as const;
    app.post(`/v1/${path}`, { bodyLimit: BODY_LIMIT, config, schema }, (request) =>
      receive(request, undefined, path === 'import'),
    );
  }
  app.post(
    '/v1/m',
    {
      config: { ownAccess: 'anybody' },
      schema: {
        operationId: 'sendClientMetrics',
        summary: 'Send what clients count of themselves',
        description: 'Answered and not looked at, so that Segment’s browser library is content.',
        tags: ['Sources'],
        response: { 200: Taken },
      },
    },
    async (request) => {
      limits.address(request.address);
      (request.body as Readable | undefined)?.resume(); // by the parser above, where there is one
      return { success: true };
    },
  );
}

function refusedKey(key: string | undefined): ApiError {
  const detail =
    key === undefined || key === ''
      ? 'Send the write key of a source: by Basic authentication as the user name, or as writeKey in the body.'
      : 'No source has this write key.';
  return new ApiError('authentication_failed', { detail, headers: { 'www-authenticate': 'Basic realm="grandstand"' } });
}

/** The user name of Basic authentication; some leave the colon out. */
function basicUser(header: string | undefined): string | undefined {
  const encoded = header === undefined ? undefined : /^basic +([\w+/=-]+)$/i.exec(header.trim())?.[1];
  return encoded === undefined ? undefined : Buffer.from(encoded, 'base64').toString('utf8').split(':', 1)[0];
}

async function readBody(request: FastifyRequest, limit: number): Promise<unknown> {
  const encoding = (request.headers['content-encoding'] ?? 'identity').toLowerCase();
  const payload = (request.body ?? Readable.from([])) as Readable; // by the parser above
  if (!['identity', 'gzip', 'x-gzip'].includes(encoding)) {
    payload.resume();
    throw new ApiError('unsupported_media_type', { detail: 'Send the body as it is, or with Content-Encoding: gzip.' });
  }
  return readJson(request, await collect(inflated(payload), limit));
}

/** Many calls; a batch of none is fine. */
function itemsOf(body: unknown): Elements {
  const list = isRecord(body) ? own(body, 'batch') : undefined;
  if (typeof list === 'object' && list !== null && 'length' in list && list.length === 0) return elementsOf([]);
  return requireElements(body, BATCH);
}

function single(request: FastifyRequest, body: unknown): Elements {
  if (!isRecord(body)) throw invalid('non_field_errors', 'The body must be an object.');
  const element: ReadElement = { value: body, problems: request.unsound };
  return { length: 1, read: () => element };
}

/** As many activities a minute as a profile’s token may send. */
function limitFans(flood: ReturnType<typeof createFloodGate>, source: Source, calls: readonly Call[]): void {
  const counts = new Map<string, number>();
  for (const { subject } of calls) {
    const fan = `${source.id} ${subject?.customId ?? subject?.profileId ?? ''}`;
    counts.set(fan, (counts.get(fan) ?? 0) + 1);
  }
  for (const [fan, count] of counts) flood(fan, count);
}

export function createSourceIntake(context: Context, intake: Intake, limits: Limits): SourceIntake {
  return { take: { ...context, intake }, log: createItemLog(context), limits };
}
