import type { Context } from '../context.ts';
import type { Installation } from '../doctor/watch.ts';
import { ClientIdParams } from '../http/schemas.ts';
import type { App } from '../http/route.ts';
import { StatisticsResource } from './statistics.ts';
import { getStatistics } from './statistics-service.ts';

export function statisticsRoutes(app: App, context: Context, installation: Pick<Installation, 'warnings'>): void {
  app.get(
    '/api/v1/applications/:client_id/statistics/',
    {
      config: { access: 'admin' },
      schema: {
        operationId: 'getStatistics',
        summary: 'Get the overview of an application',
        description:
          'Profiles, what is new and active by day, activities by minute, the largest and fastest-moving groups, and the health of evaluation. ' +
          'Cheap at any size: days are counted in the background, and each says when.',
        tags: ['Applications'],
        params: ClientIdParams,
        response: { 200: StatisticsResource },
      },
    },
    async ({ params, credential }) => {
      const statistics = await getStatistics(context, await context.applications.get(params.client_id));
      const isOwner = credential?.kind === 'producer' && credential.roles.get(params.client_id)?.role === 'owner';
      const warnings = isOwner ? installation.warnings().map(({ level: _, ...warning }) => warning) : [];
      return { ...statistics, warnings };
    },
  );
}
