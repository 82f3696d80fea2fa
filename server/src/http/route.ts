// What a feature's routes are given and may ask for in their config. The server itself is in server.ts.

import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from 'fastify';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FieldErrors } from '../errors.ts';
import type { Context } from '../context.ts';
import type { ElementLimits } from './elements.ts';

export type App = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;
export type Routes = (app: App, context: Context) => void | Promise<void>;

/**
 * What a route asks of a credential before its handler runs, as its `config.access`:
 * `public` nothing (an admin token is honoured, anything else ignored), `profile` a profile token, `admin` an admin token or
 * a producer, `owner` an admin token or an owning producer, `owner-session` an owning producer alone (an admin token that
 * could do it would reach what it may not see), `any` one of them all (the handler decides), `producer` a session.
 */
export type Access = 'public' | 'profile' | 'admin' | 'owner' | 'owner-session' | 'any' | 'producer';

/**
 * Routes that ask for a credential of their own, which only their handler knows: the `write-key` of a source, the `signature`
 * of a webhook; `anybody` has none. They keep rate limits themselves, and have neither audit nor Idempotency-Key.
 */
export const OWN_ACCESS = ['write-key', 'signature', 'anybody'] as const;
export type OwnAccess = (typeof OWN_ACCESS)[number];

export const isOwnAccess = (access: Access | OwnAccess | undefined): access is OwnAccess =>
  OWN_ACCESS.some((own) => own === access);

export interface AccessRule {
  access: Access;
  /** Changes nothing, so that read-only tokens and viewers may call it. Default: GET and HEAD. */
  reads: boolean;
  /** The application that the path names, if it names one. */
  clientId: string | undefined;
}

/** Whose request it is, as far as the rate limits ask. */
export interface Caller {
  clientId?: string;
  profileId?: string;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Who may call it. Required on every route below /api. */
    access?: Access;
    /** In its place, of a route outside of /api that is in the document all the same. */
    ownAccess?: OwnAccess;
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
    /** Refuses query parameters that are not in the schema. PUT and DELETE always do. */
    strictQuery?: boolean;
    /** Keeps the promise of Idempotency-Key itself: its body is too large to be looked at first. */
    ownIdempotency?: boolean;
    /** The list in the body whose elements are read one by one, each with its own problems (http/elements.ts). */
    elements?: ElementLimits;
  }
  interface FastifyRequest {
    /** What in the body is unsound (http/unsound.ts), but for the elements that are read one by one. */
    unsound: FieldErrors | undefined;
    /** The application that the request is counted to: its credential's, else the one that its path names. */
    clientId: string | undefined;
    /** `https://host`, for absolute URLs. */
    origin: string;
    /** Of the host that asks, in one spelling: what is limited by address. http/address.ts. */
    address: string;
  }
}

export const BODY_LIMIT = 1024 * 1024;
export const LARGE_BODY_LIMIT = 16 * 1024 * 1024;
/** For a body of any size, streamed. */
export const LONGEST_UPLOAD_MS = 3_600_000;
