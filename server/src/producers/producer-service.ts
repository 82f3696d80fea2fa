// Producers: signing in, inviting, accepting, roles.

import { insertEntry } from '../audit/audit-store.ts';
import { describeChange } from '../audit/entry.ts';
import type { Application } from '../applications/application.ts';
import type { Context } from '../context.ts';
import type { ProducerRole } from '../credential.ts';
import type { Queryable } from '../database/database.ts';
import { ApiError, ValidationError, conflict, denied, invalid, notFound } from '../errors.ts';
import { newId } from '../ids.ts';
import { formatInstant, type Instant } from '../instant.ts';
import { hashToken, randomText } from '../secrets.ts';
import { remember, type Guessing, type Source } from './guessing.ts';
import { hashPassword, isPassword } from './password.ts';
import { INVITATION_LIFETIME, ROLES, checkPerson, passwordProblem, readEmail } from './producer.ts';
import * as store from './producer-store.ts';
import { openSession, type NewSession } from './session.ts';

const wrong = (): ApiError =>
  new ApiError('authentication_failed', {
    detail: 'E-mail address or password is wrong.',
    headers: { 'www-authenticate': 'Session' },
  });

export async function signIn(
  context: Context,
  guessing: Guessing,
  fields: { email: string; password: string },
  source: Source,
): Promise<SignedIn> {
  const email = readEmail(fields.email) ?? fields.email.slice(0, 300);
  const attempt = await guessing.signIn(email, source);
  const producer = await store.findProducerByEmail(context.db, email);
  if (!(await isPassword(fields.password, producer?.password_hash)) || !producer) {
    if (producer) await noteSignIn(context, context.db, producer, 'signInFailed', source.address);
    throw wrong();
  }
  await attempt.succeeded();
  const session = await context.db.transaction(async (tx) => {
    await noteSignIn(context, tx, producer, 'signIn', source.address);
    return openSession(context, tx, producer.id);
  });
  return { session, device: await remember(context, producer.id, source) };
}

/** In the audit log of every application that the producer has a role in. */
async function noteSignIn(
  context: Context,
  db: Queryable,
  producer: { id: string; email: string },
  action: 'signIn' | 'signInFailed',
  address: string,
): Promise<void> {
  const actor = { kind: 'producer' as const, id: producer.id, name: producer.email };
  for (const { client_id: clientId } of await store.listRoles(db, producer.id)) {
    const { id: applicationId } = await context.applications.get(clientId);
    const entry = { applicationId, actor, address, requestId: null, action, object: undefined };
    await insertEntry(db, entry, context.clock.now());
  }
}

export interface SignedIn {
  session: NewSession;
  /** By which the device is known the next time. */
  device: string;
}

/** Ends every session and opens a new one; devices are strangers again, but for the one that asks. */
export async function changePassword(
  context: Context,
  guessing: Guessing,
  producer: { id: string; email: string; sessionId: string },
  fields: { current_password: string; password: string },
  device: string | undefined,
): Promise<NewSession> {
  const problem = passwordProblem(fields.password, producer.email);
  if (problem !== undefined) throw invalid('password', problem);
  const attempt = await guessing.inSession(producer.sessionId);
  const row = await store.findProducer(context.db, producer.id);
  if (!(await isPassword(fields.current_password, row?.password_hash)))
    throw invalid('current_password', 'This is not your present password.');
  await attempt.succeeded();
  const hash = await hashPassword(fields.password);
  return context.db.transaction(async (tx) => {
    const now = formatInstant(context.clock.now());
    await store.updatePassword(tx, producer.id, hash, now);
    await store.endSessions(tx, producer.id, now);
    await store.deleteOtherDevices(tx, producer.id, device === undefined ? null : hashToken(device));
    return openSession(context, tx, producer.id);
  });
}

/** Ends every session of a producer; all devices are strangers again. */
export async function signOutEverywhere(context: Context, producerId: string): Promise<void> {
  await context.db.transaction(async (tx) => {
    await store.endSessions(tx, producerId, formatInstant(context.clock.now()));
    await store.deleteOtherDevices(tx, producerId, null);
  });
}

export interface NewInvitation {
  /** Shown once; only its hash is kept. */
  token: string;
  id: string;
  createdAt: Instant;
  expiresAt: Instant;
}

async function invite(
  createdAt: Instant,
  db: Queryable,
  applicationId: number,
  role: ProducerRole,
  email: string | null,
  invitedBy: string | null,
  token = randomText(43),
): Promise<NewInvitation> {
  const expiresAt = createdAt + INVITATION_LIFETIME;
  await store.insertInvitation(db, {
    token_hash: hashToken(token),
    email,
    application_id: applicationId,
    role,
    now: formatInstant(createdAt),
    expires_at: formatInstant(expiresAt),
    invited_by: invitedBy,
  });
  return { token, id: hashToken(token).toString('hex'), createdAt, expiresAt };
}

export function readAddress(text = ''): string {
  const email = readEmail(text);
  if (email === undefined) throw invalid('email', 'This must be an e-mail address.');
  return email;
}

export async function inviteProducer(
  context: Context,
  application: Application,
  fields: { email: string; role: ProducerRole },
  invitedBy: string,
): Promise<NewInvitation & { email: string }> {
  const email = readAddress(fields.email);
  return context.db.transaction(async (tx) => {
    // Held, so that no invitation slips in behind the one that ends the role.
    const roles = await store.lockRoles(tx, application.id);
    if (!roles.some((row) => row.producer_id === invitedBy && row.role === 'owner'))
      throw denied('Only an owner of the application may do this.');
    await store.deleteInvitationsOf(tx, application.id, email);
    return { ...(await invite(context.clock.now(), tx, application.id, fields.role, email, invitedBy)), email };
  });
}

/**
 * The token of the link that makes the first owner, while there is no producer. There is one link a database, however many
 * servers start, and each of them knows it: its token follows from the secret key and from when the link was made.
 */
export async function inviteFirstOwner(
  context: Pick<Context, 'db' | 'clock' | 'secrets'>,
): Promise<string | undefined> {
  const tokenOf = (createdAt: Instant): string =>
    context.secrets.fingerprint('first owner', formatInstant(createdAt)).toString('hex');
  return context.db.transaction(async (tx) => {
    await store.lockFirstOwner(tx);
    if (await store.hasProducers(tx)) return undefined;
    const [applicationId] = await store.listApplicationIds(tx);
    if (applicationId === undefined) return undefined;
    const now = context.clock.now();
    const made = await store.listFirstOwnerInvitations(tx, formatInstant(now));
    const kept = made.find(({ id, created_at: at }) => hashToken(tokenOf(at)).toString('hex') === id);
    const token = tokenOf(kept?.created_at ?? now);
    if (!kept) await invite(now, tx, applicationId, 'owner', null, null, token);
    await store.deleteFirstOwnerInvitations(tx, hashToken(token));
    return token;
  });
}

export interface Invitation {
  /** Null: the first owner, who names the address. */
  email: string | null;
  role: ProducerRole;
  application: Application;
  /** Whether the address has an account already, whose password then accepts. */
  hasAccount: boolean;
}

export async function getInvitation(context: Context, token: string): Promise<Invitation> {
  const row = await store.findInvitation(context.db, hashToken(token), formatInstant(context.clock.now()));
  if (!row || (row.email === null && (await store.hasProducers(context.db)))) throw gone();
  const hasAccount = row.email !== null && (await store.findProducerByEmail(context.db, row.email)) !== undefined;
  return {
    email: row.email,
    role: row.role,
    application: await context.applications.getById(row.application_id),
    hasAccount,
  };
}

const gone = (): ApiError => notFound('This invitation was used already, withdrawn, or is too old. Ask for a new one.');

export interface Acceptance {
  token: string;
  email?: string;
  name?: string;
  password: string;
}

export async function acceptInvitation(
  context: Context,
  guessing: Guessing,
  fields: Acceptance,
  source: Source,
): Promise<SignedIn> {
  const { producerId, session } = await accept(context, guessing, fields, source);
  return { session, device: await remember(context, producerId, source) };
}

async function accept(
  context: Context,
  guessing: Guessing,
  fields: Acceptance,
  source: Source,
): Promise<{ producerId: string; session: NewSession }> {
  const invitation = await getInvitation(context, fields.token);
  const email = invitation.email ?? readEmail(fields.email ?? '');
  if (email !== undefined && invitation.hasAccount) {
    const attempt = await guessing.signIn(email, source);
    const producer = await store.findProducerByEmail(context.db, email);
    if (!producer || !(await isPassword(fields.password, producer.password_hash))) {
      throw new ValidationError({ password: ['This is not the password of your account.'] });
    }
    await attempt.succeeded();
    return context.db.transaction(async (tx) => {
      await take(context, tx, fields.token, invitation, producer.id);
      await noteAccepted(context, tx, invitation, producer, source.address);
      return { producerId: producer.id, session: await openSession(context, tx, producer.id) };
    });
  }
  const person = checkPerson({ email: email ?? '', name: fields.name ?? '', password: fields.password });
  const passwordHash = await hashPassword(fields.password);
  return context.db.transaction(async (tx) => {
    if (invitation.email === null) {
      await store.lockFirstOwner(tx);
      if (await store.hasProducers(tx)) throw gone();
    }
    const id = newId();
    const made = await store.insertProducer(tx, {
      id,
      ...person,
      password_hash: passwordHash,
      now: formatInstant(context.clock.now()),
    });
    if (!made) throw conflict('Somebody has just made an account for this address. Reload, then sign in with it.');
    await take(context, tx, fields.token, invitation, id);
    await noteAccepted(context, tx, invitation, { id, email: person.email }, source.address);
    return { producerId: id, session: await openSession(context, tx, id) };
  });
}

async function noteAccepted(
  context: Context,
  tx: Queryable,
  { application, role }: Invitation,
  producer: { id: string; email: string },
  address: string,
): Promise<void> {
  const object = { type: 'producer', id: producer.id, name: producer.email };
  const actor = { kind: 'producer' as const, id: producer.id, name: producer.email };
  const entry = {
    applicationId: application.id,
    actor,
    address,
    requestId: null,
    action: 'acceptInvitation',
    object,
    after: { role },
  };
  await insertEntry(tx, entry, context.clock.now());
}

async function take(
  context: Context,
  tx: Queryable,
  token: string,
  invitation: Invitation,
  producerId: string,
): Promise<void> {
  const now = formatInstant(context.clock.now());
  if (!(await store.takeInvitation(tx, hashToken(token), now))) throw gone();
  // The first owner owns whatever there is; no one else could.
  const applications = invitation.email === null ? await store.listApplicationIds(tx) : [invitation.application.id];
  for (const applicationId of applications) {
    const present = (await store.lockRoles(tx, applicationId)).find((row) => row.producer_id === producerId)?.role;
    // An invitation never takes away: the last owner could otherwise invite themselves out.
    if (present === undefined || ROLES.indexOf(invitation.role) < ROLES.indexOf(present)) {
      await store.upsertRole(tx, producerId, applicationId, invitation.role, now);
    }
  }
}

/** A new role, or none: undefined. The last owner stays. What an owner invited is void once they are none. */
export async function changeRole(
  context: Context,
  application: Application,
  producerId: string,
  role: ProducerRole | undefined,
): Promise<void> {
  await context.db.transaction(async (tx) => {
    const roles = await store.lockRoles(tx, application.id);
    const present = roles.find((row) => row.producer_id === producerId);
    if (!present) throw notFound();
    const name = (await store.findProducer(tx, producerId))?.email ?? null;
    describeChange({
      object: { type: 'producer', id: producerId, name },
      before: { role: present.role },
      after: { role: role ?? null },
    });
    const isLastOwner = present.role === 'owner' && roles.filter((row) => row.role === 'owner').length === 1;
    if (isLastOwner && role !== 'owner')
      throw conflict('An application keeps at least one owner. Make somebody else an owner first.');
    if (role !== 'owner') await store.deleteInvitationsBy(tx, application.id, producerId);
    if (role === undefined) await store.deleteRole(tx, producerId, application.id);
    else await store.upsertRole(tx, producerId, application.id, role, formatInstant(context.clock.now()));
  });
}
