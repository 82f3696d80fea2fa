// Whether credentials that were good when a stream began still are: what a credential opened ends with it. Asked for all
// streams at once, in four statements, since thousands of them may be told of one change.

import { listLiveTokens } from './applications/application-store.ts';
import type { Context } from './context.ts';
import type { AdminCredential, Credential, ProducerCredential, ProfileCredential } from './credential.ts';
import type { ClientTokenClaims } from './credentials/token.ts';
import { formatInstant } from './instant.ts';
import { SESSION_IDLE } from './producers/producer.ts';
import { listLiveSessions } from './producers/producer-store.ts';
import { judgeClientToken } from './profiles/profile-service.ts';
import { listLiveProfileTokens, listTokenBounds, type TokenBound } from './profiles/profile-store.ts';

type Base = Pick<Context, 'db' | 'clock' | 'secrets'>;

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

async function validProfiles(context: Base, credentials: ProfileCredential[]): Promise<Credential[]> {
  const ids = [...new Set(credentials.map(({ profile }) => profile.id))];
  const ours = credentials.flatMap(({ token }) => ('id' in token ? [token.id] : []));
  const isSigned = credentials.some(({ token }) => !('id' in token));
  const live = await listLiveProfileTokens(context.db, ids, ours);
  const bounds = isSigned ? await listTokenBounds(context.db, ids) : new Map<string, never>();
  const valid: Credential[] = [];
  for (const credential of credentials) {
    const { profile, token } = credential;
    const isValid =
      'id' in token
        ? live.has(token.id)
        : (token.expiresAt ?? Infinity) > context.clock.now() &&
          (speaksFor(token, bounds.get(profile.id)) || (await leadsTo(context, credential, token)));
    if (isValid) valid.push(credential);
  }
  return valid;
}

/** Signed since the profile has its custom id, and not revoked: nothing else needs to be asked. */
const speaksFor = (token: ClientTokenClaims, bound: TokenBound | undefined): boolean =>
  bound?.custom_id === token.customProfileId &&
  token.issuedAt > Math.max(bound.custom_id_since ?? Infinity, bound.client_tokens_after ?? -Infinity);

/** Asked as a request would be: the token may be older than its profile, or the profile merged. */
async function leadsTo(
  context: Base,
  { application, profile }: ProfileCredential,
  token: ClientTokenClaims,
): Promise<boolean> {
  const judged = await judgeClientToken(context, application, token);
  return typeof judged === 'object' && 'profile' in judged && judged.profile.id === profile.id;
}
