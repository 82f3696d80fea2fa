// Pieces of schemas that several features' routes share.

import { Type } from 'typebox';
import { notFound } from '../errors.ts';
import { readUuid } from '../ids.ts';

export const ClientIdParams = Type.Object({ client_id: Type.String({ description: 'The application’s client id.' }) });
export const ProfileParams = Type.Object({ profile_id: Type.String({ description: 'The profile’s id, a UUID.' }) });
export const ClientProfileParams = Type.Object({ ...ClientIdParams.properties, ...ProfileParams.properties });

/** The cookie of a producer's session; over https its name begins with `__Host-`. */
export const SESSION_COOKIE = 'grandstand_session';
/** Of a browser in which somebody signed in before. */
export const DEVICE_COOKIE = 'grandstand_device';

/** `null` or a string: one type keyword, so that a wrong value gets one message. */
export const nullable = (options: Record<string, unknown> = {}) =>
  Type.Unsafe<string | null>({ type: ['string', 'null'], ...options });

export const Timestamp = (description: string) =>
  Type.String({ description, examples: ['2025-04-28T12:16:49.670053Z'] });

/**
 * A serialiser for answers whose fields have a documented order: what they are made of decides it. One that is made from a
 * schema writes optional fields last.
 */
export const asPresented = () => (answer: unknown) => JSON.stringify(answer);

/** An id in the path; 404 where the text can be none. */
export function readPathId(text: string): string {
  const id = readUuid(text);
  if (id === undefined) throw notFound();
  return id;
}

export const NoContent = Type.Null({ description: 'Done; there is no body.' });

export const IfMatch = Type.Object({
  'if-match': Type.Optional(
    Type.String({ description: 'The `updated_at` that was read, quoted: 412 when it changed since.' }),
  ),
});
