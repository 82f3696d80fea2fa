import type { Application } from '../applications/application.ts';
import { listApplications } from '../applications/application-store.ts';
import { ConfigError } from '../config.ts';
import type { Context } from '../context.ts';

/** The application with this client id; the only or first one where none is named. */
export async function findApplication(context: Context, clientId: string | undefined): Promise<Application> {
  if (clientId !== undefined) {
    const found = await context.applications.find(clientId);
    if (!found) throw new ConfigError(`--app: there is no application '${clientId}'.`);
    return found;
  }
  const [first] = await listApplications(context.db);
  if (!first) throw new ConfigError('There is no application yet. `grandstand app create` makes one.');
  return context.applications.get(first.client_id);
}
