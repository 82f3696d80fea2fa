// From the session to the page: signed out, no application, or the page that the address names.

import { Redirect, Route, Switch, useRoute } from 'wouter';
import { AccountPage } from './pages/account.tsx';
import { ActivitiesPage } from './pages/activities/activities.tsx';
import { ActivityTypesPage } from './pages/activities/types.tsx';
import { AttributesPage } from './pages/attributes/attributes.tsx';
import { GroupPage } from './pages/group/group.tsx';
import { NewGroupPage } from './pages/group/new.tsx';
import { GroupsPage } from './pages/groups.tsx';
import { InvitationPage } from './pages/invitation.tsx';
import { KeysPage } from './pages/keys.tsx';
import { OverviewPage } from './pages/overview/overview.tsx';
import { PeoplePage } from './pages/people.tsx';
import { ProfilePage } from './pages/profile/profile.tsx';
import { ProfilesPage } from './pages/profiles.tsx';
import { SignInPage } from './pages/sign-in.tsx';
import { ApplicationProvider, useApplication, useSession } from './session.tsx';
import { AwayBanner, Shell } from './shell.tsx';
import { Empty } from './ui/bits.tsx';
import { lazyPage } from './ui/lazy-page.tsx';
import { PageHead } from './ui/page-head.tsx';
import { Toasts } from './ui/toast.tsx';
import { ButtonLink } from './ui/button.tsx';

const UsagePage = lazyPage(() => import('./pages/usage/usage.tsx'));
const AuditPage = lazyPage(() => import('./pages/audit/audit.tsx'));
const TransfersPage = lazyPage(() => import('./pages/transfers/transfers.tsx'));
const MergePage = lazyPage(() => import('./pages/merge/merge.tsx'));
const WebhooksPage = lazyPage(() => import('./pages/webhooks/webhooks.tsx'));
const SourcesPage = lazyPage(() => import('./pages/sources/sources.tsx'));
const SourcePage = lazyPage(() => import('./pages/sources/source.tsx'));
const WebhookPage = lazyPage(() => import('./pages/webhooks/webhook.tsx'));

export function App() {
  const { state } = useSession();
  const [atInvitation] = useRoute('/invitation');
  if (atInvitation) return <InvitationPage />;
  if (state.status === 'loading') return <AwayBanner />;
  if (state.status === 'out') return <SignInPage expired={state.expired} />;
  const { applications } = state.session;
  const first = applications[0];
  if (!first) {
    return (
      <div className="gate">
        <main>
          <Empty title="No application">You are not a producer of any application. Ask an owner to invite you.</Empty>
        </main>
      </div>
    );
  }
  return (
    <Switch>
      <Route path="/apps/:client_id/*?">
        {({ client_id }) => {
          const application = applications.find((one) => one.client_id === decodeURIComponent(client_id));
          return application ? (
            <ApplicationProvider key={application.client_id} application={application}>
              <Shell>
                <Pages />
                <Toasts />
              </Shell>
            </ApplicationProvider>
          ) : (
            <Redirect to={`/apps/${first.client_id}`} replace />
          );
        }}
      </Route>
      <Route>
        <Redirect to={`/apps/${first.client_id}`} replace />
      </Route>
    </Switch>
  );
}

function Pages() {
  const { href, isOwner, canManage, canWrite } = useApplication();
  const { state } = useSession();
  const isProducer = state.status === 'in' && state.session.kind === 'producer';
  const base = '/apps/:client_id';
  return (
    <Switch>
      <Route path={`${base}/groups`} component={GroupsPage} />
      <Route path={`${base}/groups/new`} component={NewGroupPage} />
      <Route path={`${base}/groups/:group_id/*?`} component={GroupPage} />
      <Route path={`${base}/profiles`} component={ProfilesPage} />
      <Route path={`${base}/profiles/:profile_id`} component={ProfilePage} />
      {canWrite && <Route path={`${base}/profiles/:profile_id/merge`} component={MergePage} />}
      <Route path={`${base}/attributes`} component={AttributesPage} />
      <Route path={`${base}/activities`} component={ActivitiesPage} />
      <Route path={`${base}/activities/types`} component={ActivityTypesPage} />
      <Route path={`${base}/usage`} component={UsagePage} />
      <Route path={`${base}/sources`} component={SourcesPage} />
      <Route path={`${base}/sources/:source_id`} component={SourcePage} />
      <Route path={`${base}/imports`} component={TransfersPage} />
      {canManage && <Route path={`${base}/audit`} component={AuditPage} />}
      <Route path={`${base}/webhooks`} component={WebhooksPage} />
      <Route path={`${base}/webhooks/:webhook_id`} component={WebhookPage} />
      {canManage && <Route path={`${base}/keys`} component={KeysPage} />}
      {isOwner && <Route path={`${base}/people`} component={PeoplePage} />}
      {isProducer && <Route path={`${base}/account`} component={AccountPage} />}
      <Route path={base} component={OverviewPage} />
      <Route>
        <PageHead title="There is nothing at this address" />
        <section className="card">
          <Empty
            title="The page may have moved, or the address is not complete"
            action={<ButtonLink href={href('')}>Go to the overview</ButtonLink>}
          />
        </section>
      </Route>
    </Switch>
  );
}
