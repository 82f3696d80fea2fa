// What a start makes sure of: an application and an admin token, from the BOOTSTRAP variables or, on the very first start
// of an empty database, newly made.

import { createAdminToken, createApplication } from './applications/application-service.ts';
import { listApplications } from './applications/application-store.ts';
import type { Context } from './context.ts';
import { sql } from './database/database.ts';

const FIRST_START_LOCK = 7070_0003;

export interface FirstStart {
  clientId: string;
  clientSecret: string;
  adminToken: string;
}

export async function bootstrap(context: Context, isFirstStart: boolean): Promise<FirstStart | undefined> {
  const { clientId, clientSecret, adminToken } = context.config.bootstrap;
  if (clientId !== undefined) {
    const { application } = await createApplication(context, {
      clientId,
      name: clientId,
      ...(clientSecret !== undefined && { clientSecret }),
    });
    if (adminToken !== undefined)
      await createAdminToken(context, application.id, { name: 'bootstrap', token: adminToken });
    return undefined;
  }
  if (!isFirstStart || context.config.role === 'worker' || (await listApplications(context.db)).length > 0)
    return undefined;
  // Servers that start at once take turns: the first one makes the application, the others find it.
  return context.db.transaction(async (tx) => {
    await tx.query(sql`select pg_advisory_xact_lock(${FIRST_START_LOCK})`);
    if ((await listApplications(tx)).length > 0) return undefined;
    const { application } = await createApplication(context, { name: 'My application' });
    const { token } = await createAdminToken(context, application.id, { name: 'first start' });
    return { clientId: application.client_id, clientSecret: application.secrets[0] ?? '', adminToken: token };
  });
}
