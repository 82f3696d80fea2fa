// Ids as they are stored. What profiles send and what admins send are two namespaces, so that no fan can use up an id that
// the back end is going to send; one text holds both, so that (profile, id) stays what is unique, ordered by and pointed at.
// An admin's id stands as it is, and so do those from before the two were told apart; see docs/decisions.

export type SentBy = 'admin' | 'profile';
export const SENDERS: readonly SentBy[] = ['admin', 'profile'];

const MARK = '\u0001';
/** Units that storing may add. */
export const MARK_LENGTH = 2;

export function storedId(id: string, by: SentBy): string {
  if (by === 'profile') return `${MARK}p${id}`;
  return id.startsWith(MARK) ? `${MARK}a${id}` : id;
}

export function readStoredId(stored: string): { id: string; sent_by: SentBy } {
  if (stored.startsWith(`${MARK}p`)) return { id: stored.slice(MARK_LENGTH), sent_by: 'profile' };
  return { id: stored.startsWith(`${MARK}a`) ? stored.slice(MARK_LENGTH) : stored, sent_by: 'admin' };
}
