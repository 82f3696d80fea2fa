import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseInstant } from '../instant.ts';
import { untilWaiting } from '../testing/waiting.ts';
import { CLIENT_ID, startTestServer, testClock, type TestServer } from '../testing/server.ts';
import { atOneMoment } from './presence.ts';
import { createSheetChores } from './sheet-chores.ts';
import { PRESENCE } from './sheet.ts';
import { listDays, listMarkedDays } from './sheet-store.ts';

const DAY = parseInstant('2026-02-27T00:00:00Z') ?? 0;
const NEXT_DAY = parseInstant('2026-02-28T00:00:00Z') ?? 0;

describe('the making of a sheet', () => {
  let server: TestServer;
  let id = 0;
  beforeEach(async () => {
    server = await startTestServer({ clock: testClock() }); // 1 March 2026, noon
    await send();
  });
  afterEach(() => server.close());

  /** An activity of another profile on that day. */
  async function send(): Promise<void> {
    const profile = await server.sdk.profiles.create();
    await server.call('POST', `applications/${CLIENT_ID}/activities/`, {
      body: {
        activities: [
          { id: `a${id++}`, type: 'poll-voted', profile_id: profile.id, occurred_at: '2026-02-27T08:00:00Z' },
        ],
      },
    });
  }
  const applicationId = async (): Promise<number> => (await server.app.context.applications.get(CLIENT_ID)).id;

  const seen = async (): Promise<{ profiles: number; activities: number; marked: boolean }> => {
    const application = await applicationId();
    return atOneMoment(server.app.context.db, application, async ({ reads, eachDay }) => {
      let profiles = 0;
      let activities = 0;
      await eachDay(PRESENCE, DAY, NEXT_DAY, (day) => {
        profiles += day.ordinals.length;
        activities += day.activities;
      });
      return { profiles, activities, marked: (await listMarkedDays(reads, application)).has(DAY) };
    });
  };

  it('leaves the mark of what comes in after it read the rows', async () => {
    const { context } = server.app;
    await createSheetChores(context).run();
    await send();
    let sent = false;
    const chores = createSheetChores(context, {
      async at(stage) {
        if (stage !== 'read' || sent) return;
        sent = true;
        await send();
      },
    });
    await chores.run();
    expect(await seen()).toEqual({ profiles: 3, activities: 3, marked: true });
    await createSheetChores(context).run();
    expect(await seen()).toEqual({ profiles: 3, activities: 3, marked: false });
  });

  it('gives way to another one that was faster', async () => {
    const { context } = server.app;
    await createSheetChores(context).run();
    await send();
    let overtaken = false;
    const slow = createSheetChores(context, {
      async at(stage) {
        if (stage !== 'read' || overtaken) return;
        overtaken = true;
        await send();
        await createSheetChores(context).run();
      },
    });
    await slow.run();
    expect(overtaken).toBe(true);
    expect(await seen()).toEqual({ profiles: 3, activities: 3, marked: false });
    const [day] = await listDays(context.db, await applicationId(), DAY, NEXT_DAY);
    expect(day?.activities).toBe(3);
  });

  it('waits on a cluster for those that read, and they for it', async () => {
    const cluster = await startTestServer({ clock: testClock(), isDistributed: true, databaseUrl: server.databaseUrl });
    try {
      const { context } = cluster.app;
      const application = await applicationId();
      let made: Promise<void> | undefined;
      await atOneMoment(context.db, application, async ({ reads }) => {
        made = createSheetChores(context).run();
        await untilWaiting(server.app.context.db, 1);
        expect((await listDays(reads, application, DAY, NEXT_DAY)).map((day) => day.made_at)).toEqual([null]);
      });
      await made;
      expect(await seen()).toEqual({ profiles: 1, activities: 1, marked: false });
    } finally {
      await cluster.close();
    }
  });
});
