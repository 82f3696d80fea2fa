import type { Context } from '../context.ts';
import { PageOf } from '../database/page.ts';
import { FeedQuery, presentFeed, readFeedPosition } from '../http/feed.ts';
import type { App } from '../http/route.ts';
import { ClientIdParams } from '../http/schemas.ts';
import { formatInstant } from '../instant.ts';
import { ProfileChangeResource, type ProfileEventName } from './event.ts';
import { listProfileChanges } from './event-service.ts';

export function eventRoutes(app: App, context: Context): void {
  app.get(
    '/api/v1/applications/:client_id/profile-changes/',
    {
      config: { access: 'admin', check: readFeedPosition },
      schema: {
        operationId: 'listProfileChanges',
        summary: 'Follow the profiles of an application',
        description:
          'Every profile that was created, changed, erased or merged, by sequence upwards. Ask with `after` the last sequence that you ' +
          'saw: none is ever missed. Names what changed; what it is now stands in the profile. `count` is the number of changes after it.',
        tags: ['Profiles'],
        params: ClientIdParams,
        querystring: FeedQuery,
        response: { 200: PageOf(ProfileChangeResource) },
      },
    },
    async (request) => {
      const application = await context.applications.get(request.params.client_id);
      const position = readFeedPosition(request);
      const { changes, newest } = await listProfileChanges(context, application, position.from, position.size);
      return presentFeed(request, position, changes, newest, (change) => ({
        sequence: change.sequence,
        event: change.event as ProfileEventName, // the feed's own
        profile_id: change.subject_id,
        custom_id: change.custom_id,
        at: formatInstant(change.at),
        ...change.data,
      }));
    },
  );
}
