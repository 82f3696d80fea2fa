// What a feature's routes are given and may ask for in their config. The server itself is in server.ts.

import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from 'fastify';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Context } from '../context.ts';
import type { Access, Credential } from '../credentials/credential.ts';

export type App = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;
export type Routes = (app: App, context: Context) => void | Promise<void>;

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Who may call it; see credentials/credential.ts. Required on every route below /api. */
    access?: Access;
    /** Changes nothing although it is no GET: read-only tokens and viewers may call it. */
    reads?: boolean;
    /** Reads a body that is not JSON itself. */
    rawBody?: boolean;
    /** Takes JSON whatever the Content-Type says. */
    anyContentType?: boolean;
    /** No body is an empty object. */
    optionalBody?: boolean;
    /**
     * What no schema can say of body or query: throws a ValidationError. Runs only where the schema was not met, over the
     * fields that are not in `failed`, so that the answer names every problem (http/all-problems.ts).
     */
    check?: (request: FastifyRequest, failed: ReadonlySet<string>) => unknown;
    /** Refuses text that cannot be stored itself, item by item. */
    readsUnstorable?: boolean;
  }
  interface FastifyRequest {
    /** Where in the body text stands that cannot be stored, as far as anybody looked. */
    unstorable: string[] | undefined;
    credential: Credential | undefined;
    /** `https://host`, for absolute URLs. */
    origin: string;
  }
}

export const BODY_LIMIT = 1024 * 1024;
export const LARGE_BODY_LIMIT = 16 * 1024 * 1024;
/** For a body of any size, streamed. */
export const LONGEST_UPLOAD_MS = 3_600_000;
