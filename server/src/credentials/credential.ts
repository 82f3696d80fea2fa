// Who is asking: the result of authentication, and the questions that routes put to it.

import { ApiError, denied } from '../errors.ts';
import type { Application } from '../applications/application.ts';
import type { Profile } from '../profiles/profile.ts';

export interface AdminCredential {
  kind: 'admin';
  application: Application;
  tokenId: string;
  name: string;
  readOnly: boolean;
}

export interface ProfileCredential {
  kind: 'profile';
  application: Application;
  profile: Profile;
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

/**
 * What a route asks of a credential before its handler runs, as its `config.access`:
 * `public` nothing (an admin token is honoured, anything else ignored), `profile` a profile token, `admin` an admin token or
 * a producer, `owner` an admin token or an owning producer, `any` one of them all (the handler decides), `producer` a session.
 */
export type Access = 'public' | 'profile' | 'admin' | 'owner' | 'any' | 'producer';

export interface AccessRule {
  access: Access;
  /** Changes nothing, so that read-only tokens and viewers may call it. Default: GET and HEAD. */
  reads: boolean;
  /** The application that the path names, if it names one. */
  clientId: string | undefined;
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
  if (credential.kind === 'profile') {
    if (rule.access === 'admin' || rule.access === 'owner') throw denied('This needs an admin access token.');
    return;
  }
  if (rule.access === 'profile') throw denied('This needs the access token of a profile.');
  if (credential.readOnly && !rule.reads) throw denied('This access token is read-only.');
}

function authorizeProducer(credential: ProducerCredential, rule: AccessRule): void {
  if (rule.access === 'profile') throw denied('This needs the access token of a profile.');
  if (rule.clientId === undefined) return;
  const role = credential.roles.get(rule.clientId)?.role;
  if (!role) throw denied('You are not a producer of this application.');
  if (rule.access === 'owner' && role !== 'owner') throw denied('Only an owner of the application may do this.');
  if (role === 'viewer' && !rule.reads) throw denied('Viewers may look, not change.');
}

/** Who did it, as rulesets and pins keep it. */
export function actorName(credential: Credential | undefined): string {
  if (credential?.kind === 'admin') return `token:${credential.name}`;
  if (credential?.kind === 'producer') return `producer:${credential.email}`;
  return 'profile';
}
