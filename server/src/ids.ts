import { uuidv7 } from 'uuidv7';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** A new id: a UUIDv7, so that rows made together lie together. */
export const newId = (): string => uuidv7();

/** The canonical lower-case form of a UUID, or undefined. */
export const readUuid = (text: string): string | undefined => (UUID.test(text) ? text.toLowerCase() : undefined);

/** What every client takes out of a path before it sends it, percent-encoded or not: nothing may have it for a name. */
export const isReachable = (text: string): boolean => text !== '.' && text !== '..';
export const UNREACHABLE = "'.' and '..' cannot be ids: no URL leads to them.";
