// Who is asking: the result of authentication, and the questions that routes put to it.

import { ApiError, denied } from './errors.ts';
import type { Application } from './applications/application.ts';
import type { AccessRule, Caller } from './http/route.ts';
import type { ClientTokenClaims } from './credentials/token.ts';
import type { Instant } from './instant.ts';
import type { Profile } from './profiles/profile.ts';

export interface AdminCredential {
  kind: 'admin';
  application: Application;
  tokenId: string;
  name: string;
  readOnly: boolean;
  expiresAt: Instant | null;
  /** The tokens that made it, from the first on. It ends with each of them. */
  madeBy: string[];
}

export interface ProfileCredential {
  kind: 'profile';
  application: Application;
  profile: Profile;
  /** One of ours by its id, or what a client-signed one says. */
  token: { id: string } | ClientTokenClaims;
}

export type ProducerRole = 'owner' | 'editor' | 'viewer';

export interface ProducerCredential {
  kind: 'producer';
  producerId: string;
  email: string;
  sessionId: string;
  /** By client id; an application that is not named is none of this producer's. */
  roles: ReadonlyMap<string, { application: Application; role: ProducerRole }>;
}

export type Credential = AdminCredential | ProfileCredential | ProducerCredential;

declare module 'fastify' {
  interface FastifyRequest {
    credential: Credential | undefined;
  }
}

/** Throws 401 or 403 unless the credential may call the route; returns it narrowed by what the caller then knows. */
export function authorize(credential: Credential | undefined, rule: AccessRule): void {
  if (rule.access === 'public') return;
  if (!credential) throw new ApiError('not_authenticated');
  if (credential.kind === 'producer') return authorizeProducer(credential, rule);
  if (rule.access === 'producer') throw denied('This needs the session of a producer.');
  if (rule.clientId !== undefined && credential.application.client_id !== rule.clientId) {
    throw denied('This access token belongs to another application.');
  }
  if (rule.access === 'owner-session') throw denied('Only an owner who is signed in to the console may do this.');
  if (credential.kind === 'profile') {
    if (rule.access === 'admin' || rule.access === 'owner') throw denied('This needs an admin access token.');
    return;
  }
  if (rule.access === 'profile') throw denied('This needs the access token of a profile.');
  if (credential.readOnly && rule.access === 'owner' && rule.reads)
    throw denied('A read-only access token sees neither tokens nor producers.');
  if (credential.readOnly && !rule.reads) throw denied('This access token is read-only.');
}

function authorizeProducer(credential: ProducerCredential, rule: AccessRule): void {
  if (rule.access === 'profile') throw denied('This needs the access token of a profile.');
  if (rule.clientId === undefined) {
    // Roles are of applications: where the path names none, the handler asks for the role, or there is nothing to ask for.
    if (rule.access === 'any' || rule.access === 'producer') return;
    throw new ApiError('internal_error');
  }
  const role = credential.roles.get(rule.clientId)?.role;
  if (!role) throw denied('You are not a producer of this application.');
  if ((rule.access === 'owner' || rule.access === 'owner-session') && role !== 'owner')
    throw denied('Only an owner of the application may do this.');
  if (role === 'viewer' && !rule.reads) throw denied('Viewers may look, not change.');
}

/** Whose rate limits a request counts in. */
export function callerOf(credential: Credential | undefined): Caller {
  if (!credential || credential.kind === 'producer') return {};
  const clientId = credential.application.client_id;
  return credential.kind === 'profile' ? { clientId, profileId: credential.profile.id } : { clientId };
}

/** Who did it, as rulesets and pins keep it. */
export function actorName(credential: Credential | undefined): string {
  if (credential?.kind === 'admin') return `token:${credential.name}`;
  if (credential?.kind === 'producer') return `producer:${credential.email}`;
  return 'profile';
}

/** The actor as this credential may know it: a read-only token is not told who works here, nor what tokens are called. */
export function shownActor(actor: string, credential: Credential | undefined): string {
  return credential?.kind === 'admin' && credential.readOnly ? actor.replace(/:.*$/s, '') : actor;
}
