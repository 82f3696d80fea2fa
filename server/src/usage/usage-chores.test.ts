import { expect, it } from 'vitest';
import { createApplication } from '../applications/application-service.ts';
import { sql } from '../database/database.ts';
import { lockForMaking } from '../sheets/sheet-store.ts';
import { CLIENT_ID, startTestServer } from '../testing/server.ts';
import { untilWaiting } from '../testing/waiting.ts';
import { countFigures } from './figures.ts';
import { listApplications, restAfter } from './usage-chores.ts';

it('counts no application for more than a twentieth of the time, with a limit or without', () => {
  for (const tookMs of [1, 500, 2_900, 3_100, 29_000, 31_000, 40_000, 600_000])
    for (const isLimited of [true, false]) expect(restAfter(tookMs, isLimited) / tookMs).toBeGreaterThanOrEqual(20);
  expect([restAfter(10, true), restAfter(10, false)]).toEqual([60_000, 600_000]);
});

it('waits on a cluster until no sheet is made', async () => {
  const one = await startTestServer();
  const server = await startTestServer({ isDistributed: true, databaseUrl: one.databaseUrl });
  try {
    const { db, applications, clock } = server.app.context;
    const { id } = await applications.get(CLIENT_ID);
    await server.sdk.profiles.create();
    let counted: ReturnType<typeof countFigures> | undefined;
    await db.transaction(async (tx) => {
      await lockForMaking(tx, id);
      counted = countFigures(db, id, clock.now());
      await untilWaiting(one.app.context.db, 1);
    });
    expect(await counted).toMatchObject({ total: 1, new_1d: 1 });
  } finally {
    await server.close();
    await one.close();
  }
});

it('counts every application, however many there are', async () => {
  const server = await startTestServer();
  try {
    const { db } = server.app.context;
    for (let n = 0; n < 6; n++) await createApplication(server.app.context, { name: `Application ${n}` });
    const { rows } = await db.query<{ id: number }>(sql`select id from applications order by id`);
    expect(rows.length).toBeGreaterThan(6);
    for (const page of [1, 2, rows.length, 100]) {
      const seen: { id: number }[] = [];
      for await (const application of listApplications(db, page)) seen.push(application);
      expect(seen.map(({ id }) => id)).toEqual(rows.map(({ id }) => id));
    }
  } finally {
    await server.close();
  }
});
