// Producers: the people who use the console. What they are, how they are shown, and the limits of their fields.

import { nullable } from '../http/schemas.ts';
import { Type, type Static } from 'typebox';
import type { ProducerRole } from '../credential.ts';
import { ValidationError, type FieldErrors } from '../errors.ts';

export const ROLES: readonly ProducerRole[] = ['owner', 'editor', 'viewer'];
export const MAX_EMAIL = 254;
export const MAX_NAME = 100;
export const MIN_PASSWORD = 10;
export const MAX_PASSWORD = 200;

const DAY = 86_400_000_000;
export const INVITATION_LIFETIME = 7 * DAY;
/** However much it is used. */
export const SESSION_LIFETIME = 30 * DAY;
/** Unless it is used. */
export const SESSION_IDLE = 7 * DAY;

export const Role = Type.Unsafe<ProducerRole>({ type: 'string', enum: [...ROLES] });

export const SessionResource = Type.Object(
  {
    kind: Type.Unsafe<'producer' | 'admin'>({ type: 'string', enum: ['producer', 'admin'] }),
    name: Type.String({ description: 'Of the producer or of the admin token.' }),
    email: nullable({ description: 'Of the producer.' }),
    csrf_token: nullable({ description: 'Of a producer’s session: every unsafe method needs it in X-CSRF-Token.' }),
    applications: Type.Array(
      Type.Object({
        client_id: Type.String(),
        name: Type.String(),
        role: Type.String({
          description: '`owner`, `editor`, `viewer`; of an admin token `admin`, or `viewer` where it is read-only.',
        }),
      }),
    ),
  },
  { $id: 'Session' },
);
export type SessionResource = Static<typeof SessionResource>;

const EMAIL = /^[^\s@]+@[^\s@]+$/;

/** The address as it is compared and stored, or undefined. */
export function readEmail(text: string): string | undefined {
  const email = text.normalize('NFC').trim().toLowerCase();
  return email.length <= MAX_EMAIL && EMAIL.test(email) && !hasControls(email) ? email : undefined;
}

/** Throws with every problem at once. */
export function checkPerson(fields: { email: string; name: string; password: string }): {
  email: string;
  name: string;
} {
  const errors: FieldErrors = {};
  const email = readEmail(fields.email);
  const name = fields.name.trim();
  if (email === undefined) errors['email'] = ['This must be an e-mail address.'];
  if (name === '' || [...name].length > MAX_NAME || hasControls(name))
    errors['name'] = [`This must be 1 to ${MAX_NAME} characters.`];
  const problem = passwordProblem(fields.password, email ?? '');
  if (problem !== undefined) errors['password'] = [problem];
  if (Object.keys(errors).length > 0 || email === undefined) throw new ValidationError(errors);
  return { email, name };
}

/** As checkPerson, of the fields that were sent: the others were found wrong already. */
export function checkPart({ email, name, password }: { email?: string; name?: string; password?: string }): void {
  const sound = { email: 'a@b', name: 'a', password: 'a sound one' };
  checkPerson({
    email: email ?? sound.email,
    name: name ?? sound.name,
    password: password ?? sound.password,
  });
}

export function passwordProblem(password: string, email: string): string | undefined {
  const length = [...password].length;
  if (length < MIN_PASSWORD) return `A password has ${MIN_PASSWORD} characters or more.`;
  if (length > MAX_PASSWORD) return `A password has at most ${MAX_PASSWORD} characters.`;
  if (email !== '' && password.toLowerCase() === email) return 'The password may not be the e-mail address.';
  if (new Set(password).size < 4) return 'This is too easy to guess.';
  return undefined;
}

// eslint-disable-next-line no-control-regex -- control characters are what it looks for
const hasControls = (text: string): boolean => /[\u0000-\u001f\u007f-\u009f]/.test(text);
