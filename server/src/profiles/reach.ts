// Which profile a request means, and whether its credential may see or change it.

import type { FastifyRequest } from 'fastify';
import { describeChange } from '../audit/entry.ts';
import type { Application } from '../applications/application.ts';
import type { Context } from '../context.ts';
import type { Credential } from '../credential.ts';
import { denied, notFound } from '../errors.ts';
import { readUuid } from '../ids.ts';
import type { Profile } from './profile.ts';
import { orItsTarget } from './alias-store.ts';
import * as store from './profile-store.ts';

export type ProfileRequest = FastifyRequest<{ Params: { profile_id: string } }>;

/** The profile in the path, by an id that it has or had, if this credential may see it at all: another application's is 404. */
export async function reach(
  context: Context,
  credential: Credential | undefined,
  profileId: string,
): Promise<{ application: Application; profile: Profile }> {
  const id = readUuid(profileId);
  if (!id || !credential) throw notFound();
  if (credential.kind === 'profile' && credential.profile.id === id) return credential;
  const db = { query: context.db.quick };
  const profile = await orItsTarget(db, id, (current) => store.findProfileAnywhere(db, current));
  if (!profile) throw notFound();
  const application = await context.applications.getById(profile.application_id);
  const isOwn =
    credential.kind === 'producer'
      ? credential.roles.has(application.client_id)
      : credential.application.id === application.id;
  if (!isOwn) throw notFound();
  return { application, profile };
}

/** As reach, for what only the profile itself and admins may do. */
export async function reachToChange(
  context: Context,
  request: ProfileRequest,
): Promise<{ application: Application; profile: Profile }> {
  const { credential } = request;
  const found = await reach(context, credential, request.params.profile_id);
  if (credential?.kind === 'profile' && credential.profile.id !== found.profile.id)
    throw denied('This is not the profile of the access token.');
  if (
    credential?.kind === 'producer' &&
    request.method !== 'GET' &&
    credential.roles.get(found.application.client_id)?.role === 'viewer'
  ) {
    throw denied('Viewers may look, not change.');
  }
  // The path names no application: the change stands in the log of the one that the profile is of.
  describeChange({ applicationId: found.application.id });
  return found;
}
