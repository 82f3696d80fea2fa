// What becomes of a group: who came and went and why, who is about to, and what depends on it.

import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { startTestServer, type TestServer } from '../../server/src/testing/server.ts';
import { controlsOf, eveningClock, eveningNow, hasBrowser, openConsole, type Watched } from './browser.ts';

const HOUR = 3_600_000;

describe.skipIf(!hasBrowser)('the life of a group', () => {
  let server: TestServer;
  let watched: Watched;
  let page: Page;
  let chatty: string;
  let fixed: string;

  openConsole(
    async () => {
      server = await startTestServer({
        env: { ROLE: 'all' },
        clock: eveningClock(),
      });
      const { profiles, groups, activities, webhooks } = server.sdk;
      const names = ['Ada', 'Grace', 'Edsger'];
      const made = await Promise.all(names.map((nickname) => profiles.create({ nickname })));
      const hoursAgo = [7 * 24 - 5, 3 * 24, 1];
      await activities.send(
        made.map(({ id }, n) => ({
          id: `c${n}`,
          type: 'comment-created',
          profile_id: id,
          occurred_at: new Date(eveningNow() - (hoursAgo[n] ?? 0) * HOUR).toISOString(),
        })),
      );
      const rule = { attribute: 'total_comments_posted', condition: 'greater_than_or_equal', value: 1 };
      const create = async (name: string, rule_tree: object): Promise<string> =>
        (await groups.create({ name, membership_type: 'dynamic', rule_tree: rule_tree as never })).id; // one of those below
      chatty = await create('Chatty', { ...rule, window: 'P7D' });
      await create('Silent fans', { attribute: 'profile_group', condition: 'not_in', value: [chatty] });
      fixed = (await groups.create({ name: 'Guests' })).id;
      await groups.addMembers(fixed, { profile_ids: made.map(({ id }) => id) });
      await groups.removeMembers(fixed, { profile_ids: [made[0]?.id ?? ''] });
      await webhooks.create({
        url: 'https://hooks.example.com/fans',
        description: 'The mailer',
        events: ['membership.changed'],
        groups: [chatty],
        is_active: false, // nothing is sent from here
      });
      await webhooks.create({
        url: 'https://hooks.example.com/other',
        description: 'Profiles',
        events: ['profile.created'],
        is_active: false,
      });
      return server;
    },
    (opened) => {
      watched = opened;
      page = watched.page;
    },
  );

  const { open, button, pictured } = controlsOf(() => ({ page, server }));
  const region = (name: string) => page.getByRole('region', { name, exact: true });

  test('says who is about to leave and when, and who is not', async () => {
    await open(`groups/${chatty}`);
    const leave = region('About to happen').getByRole('group', { name: 'Leave', exact: true });
    await leave.getByRole('link', { name: 'Ada' }).waitFor();
    expect(await leave.textContent()).toMatch(/1 leaves.*Ada.*in (5 h|4 h \d+ min)/);
    await region('About to happen').getByText('Nobody').waitFor();
    await button('7 days').click();
    await leave.getByRole('link', { name: 'Edsger' }).waitFor();
    expect(await leave.getByRole('link').allTextContents()).toEqual(['Ada', 'Grace', 'Edsger']);
  });

  test('says who came by which cause, also as a table', async () => {
    const flow = region('Who came and went');
    await flow.getByText('by a new rule').waitFor();
    await pictured('group-life', { fullPage: true });
    await button('As a table').click();
    await flow.getByRole('cell', { name: '3 entered by a new rule' }).waitFor();
    await open(`groups/${fixed}`);
    await flow.getByText('by hand').first().waitFor();
    expect(await flow.getByRole('img').getAttribute('aria-labelledby')).not.toBeNull();
    await flow.getByText('3 profiles entered and 1 left', { exact: false }).waitFor();
    await button('As a table').click();
    await flow.getByRole('cell', { name: '3 entered by hand; 1 left by hand' }).waitFor();
    await pictured('group-flow-table', { fullPage: true });
    expect(await region('About to happen').count()).toBe(0); // of a static group nothing is
  });

  test('says which rules read it and which webhooks are told of it', async () => {
    await open(`groups/${chatty}`);
    const uses = region('What uses it');
    await uses.getByRole('link', { name: 'The mailer' }).waitFor();
    expect(await uses.getByRole('link').allTextContents()).toEqual(['Silent fans', 'The mailer']);
    await open(`groups/${fixed}`);
    await uses.getByText('No rule reads this group.').waitFor();
    await uses.getByText('None is told who enters and leaves.').waitFor();
  });

  test('through all of this no page threw, logged an error or broke its policy', () => {
    expect(watched.problems).toEqual([]);
  });
});
