// Whether credentials that were good when a stream began still are: what a credential opened ends with it. Asked for all
// streams at once, in four statements, since thousands of them may be told of one change.

import { listLiveTokens } from './applications/application-store.ts';
import type { Context } from './context.ts';
import type { AdminCredential, Credential, ProducerCredential, ProfileCredential } from './credential.ts';
import { formatInstant } from './instant.ts';
import { SESSION_IDLE } from './producers/producer.ts';
import { listLiveSessions } from './producers/producer-store.ts';
import { listLiveProfileTokens, listTokenBounds } from './profiles/profile-store.ts';

type Base = Pick<Context, 'db' | 'clock'>;

/** Those of the credentials that would be let in again for what they reach in this application. */
export async function stillValid(context: Base, credentials: readonly Credential[]): Promise<Set<Credential>> {
  const valid = await Promise.all([
    validAdmins(
      context,
      credentials.filter((one) => one.kind === 'admin'),
    ),
    validProducers(
      context,
      credentials.filter((one) => one.kind === 'producer'),
    ),
    validProfiles(
      context,
      credentials.filter((one) => one.kind === 'profile'),
    ),
  ]);
  return new Set(valid.flat());
}

async function validAdmins({ db, clock }: Base, credentials: AdminCredential[]): Promise<Credential[]> {
  const ids = [...new Set(credentials.map(({ tokenId }) => tokenId))];
  const live = await listLiveTokens(db, ids, formatInstant(clock.now()));
  return credentials.filter(({ tokenId }) => live.has(tokenId));
}

/** A session that lost one of its roles asks anew: the stream does not know which application it was for. */
async function validProducers({ db, clock }: Base, credentials: ProducerCredential[]): Promise<Credential[]> {
  const now = clock.now();
  const ids = [...new Set(credentials.map(({ sessionId }) => sessionId))];
  const live = await listLiveSessions(db, ids, formatInstant(now), formatInstant(now - SESSION_IDLE));
  return credentials.filter(({ sessionId, roles }) => {
    const reached = live.get(sessionId);
    return reached !== undefined && [...roles.keys()].every((clientId) => reached.includes(clientId));
  });
}

async function validProfiles({ db, clock }: Base, credentials: ProfileCredential[]): Promise<Credential[]> {
  const ids = [...new Set(credentials.map(({ profile }) => profile.id))];
  const ours = credentials.flatMap(({ token }) => ('id' in token ? [token.id] : []));
  const isSigned = credentials.some(({ token }) => !('id' in token));
  const live = await listLiveProfileTokens(db, ids, ours);
  const bounds = isSigned ? await listTokenBounds(db, ids) : new Map<string, never>();
  const now = clock.now();
  return credentials.filter(({ profile, token }) => {
    if ('id' in token) return live.has(token.id);
    const bound = bounds.get(profile.id);
    // Given away and back, the custom id stands for another time in which the profile has had it.
    return (
      bound?.custom_id === token.customProfileId &&
      bound.custom_id_since === profile.custom_id_since &&
      (bound.client_tokens_after ?? -Infinity) < token.issuedAt &&
      (token.expiresAt ?? Infinity) > now
    );
  });
}
