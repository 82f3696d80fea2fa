import type { Application } from '../applications/application.ts';
import type { Context } from '../context.ts';
import type { ProfileEventData, StoredEvent } from './event.ts';
import * as store from './event-store.ts';

export interface ProfileChange extends StoredEvent<ProfileEventData> {
  custom_id: string | null;
}

/** What happened to profiles after a sequence; `newest` is the last one of all. */
export async function listProfileChanges(
  context: Context,
  application: Application,
  after: number,
  limit: number,
): Promise<{ changes: ProfileChange[]; newest: number }> {
  await store.numberEvents(context.db, application.id, 'profile');
  return context.db.transaction(
    async (tx) => {
      const newest = await store.findLastSequence(tx, application.id, 'profile');
      const events =
        after >= newest ? [] : await store.listEvents<ProfileEventData>(tx, application.id, 'profile', after, limit);
      const customIds = await store.findCustomIds(
        tx,
        events.map((event) => event.subject_id),
      );
      const changes = events.map((event) => ({ ...event, custom_id: customIds.get(event.subject_id) ?? null }));
      return { changes, newest };
    },
    { isolation: 'repeatable read' },
  );
}
