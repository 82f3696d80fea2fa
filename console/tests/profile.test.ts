// A fan's page: who it is at a glance, until when its groups last, what it did as sentences by day, and attributes that are
// changed where they stand.

import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { startTestServer, type TestServer } from '../../server/src/testing/server.ts';
import { controlsOf, eveningClock, eveningNow, hasBrowser, openConsole, type Watched } from './browser.ts';

const DAY = 86_400_000;

describe.skipIf(!hasBrowser)('a profile', () => {
  let server: TestServer;
  let watched: Watched;
  let page: Page;
  let fan: string;

  openConsole(
    async () => {
      server = await startTestServer({ env: { ROLE: 'all' }, clock: eveningClock() });
      const { profiles, groups, activities, attributes } = server.sdk;
      await attributes.define({ key: 'tier', label: 'Ticket', type: 'string', choices: ['day', 'season'] });
      await attributes.define({ key: 'visits', label: 'Visits', type: 'number' });
      await attributes.define({ key: 'tags', label: 'Tags', type: 'list' });
      const rule_tree = {
        attribute: 'total_comments_posted',
        condition: 'greater_than_or_equal',
        value: 1,
        window: 'P7D',
      };
      await groups.create({ name: 'Chatty', membership_type: 'dynamic', rule_tree });
      fan = (
        await profiles.createByCustomId('fan-7', {
          nickname: 'Brave Falcon',
          attributes: [
            { key: 'tier', value: 'day' },
            { key: 'visits', value: '3' },
          ],
        })
      ).id;
      const at = (ago: number): string => new Date(eveningNow() - ago).toISOString();
      await activities.send([
        { id: 'a1', type: 'comment-created', profile_id: fan, occurred_at: at(2 * DAY), data: { about: 'match' } },
        { id: 'a2', type: 'reward-earned', profile_id: fan, occurred_at: at(3 * DAY), value: 75 },
        {
          id: 'a3',
          type: 'tier-changed',
          profile_id: fan,
          occurred_at: at(10 * DAY),
          data: { direction: 'upgraded', status_tier: 'Gold', current_tier_rank: 3 },
        },
        ...Array.from({ length: 25 }, (_, n) => ({
          id: `old-${n}`,
          type: 'poll-voted',
          profile_id: fan,
          occurred_at: at((20 + n) * DAY),
        })),
      ]);
      return server;
    },
    (opened) => {
      watched = opened;
      page = watched.page;
    },
  );

  const { open, button, pictured } = controlsOf(() => ({ page, server }));
  const stored = async (key: string): Promise<string[]> =>
    (await server.sdk.profiles.get(fan)).attributes.filter((pair) => pair.key === key).map(({ value }) => value);

  test('says first who it is, and until when it is in a group', async () => {
    await open(`profiles/${fan}`);
    const glance = page.getByRole('region', { name: 'At a glance' });
    await glance.getByText('Posted a comment', { exact: true }).waitFor();
    await glance.getByText('2 days ago', { exact: true }).waitFor();
    await glance.getByText('28', { exact: true }).waitFor();
    await glance.getByText('Chatty', { exact: true }).waitFor();
    await page
      .getByRole('region', { name: 'Groups', exact: true })
      .getByText(/· until /)
      .waitFor();
  });

  test('tells what it did by day in sentences, and all that was sent on demand', async () => {
    const activity = page.getByRole('region', { name: 'Activity', exact: true });
    const sentence = (text: string | RegExp) => activity.getByRole('button', { name: text });
    await sentence(/Posted a comment · about: match/).waitFor();
    await sentence(/Rose to Gold · current tier rank: 3/).waitFor();
    expect(await activity.getByRole('heading', { level: 3 }).count()).toBeGreaterThan(15); // days: where clocks change, two may be one
    expect(await page.getByRole('region', { name: 'Data', exact: true }).count()).toBe(0);
    await sentence(/Earned 75 in rewards/).click();
    await activity.getByText('reward-earned', { exact: true }).waitFor();
    await activity.getByText('your systems', { exact: true }).waitFor();
    await sentence(/Posted a comment/).click();
    await page.getByRole('region', { name: 'Data', exact: true }).getByText('"about": "match"').waitFor();
    await pictured('profile-timeline', { fullPage: true });
    await button('Next').click();
    await expect.poll(() => sentence(/Voted in a poll/).count()).toBe(8);
    await activity.getByText('28 activities', { exact: true }).waitFor();
  });

  test('has its attributes changed where they stand, each by itself and with a way back', async () => {
    await open(`profiles/${fan}`);
    await button('Change Visits').click();
    await page.getByRole('textbox', { name: 'Visits' }).fill('many');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').waitFor();
    await pictured('profile-attribute-refused');
    // Meanwhile its own app says more about it: nothing of that is lost.
    await server.sdk.profiles.setAttributes(fan, { team: 'lions' });
    await page.getByRole('textbox', { name: 'Visits' }).fill('4');
    await page.keyboard.press('Enter');
    await button('Undo').hover(); // it waits while one points at it
    await expect.poll(() => stored('visits')).toEqual(['4']);
    expect(await stored('team')).toEqual(['lions']);
    await expect.poll(() => page.evaluate(() => document.activeElement?.textContent)).toBe('Change Visits');
    await button('Undo').click();
    await expect.poll(() => stored('visits')).toEqual(['3']);

    await button('Change Ticket').click();
    await page.getByRole('combobox', { name: 'Ticket' }).selectOption('season');
    await button('Save').click();
    await expect.poll(() => stored('tier')).toEqual(['season']);
    await button('Change Ticket').click();
    await page.keyboard.press('Escape');
    await expect.poll(() => page.evaluate(() => document.activeElement?.textContent)).toBe('Change Ticket');
  });

  test('is given attributes that it had not, and they are taken away again', async () => {
    await button('Add an attribute').click();
    await page.getByRole('combobox', { name: 'Attribute', exact: true }).selectOption({ label: 'Tags' });
    await page.getByRole('textbox', { name: 'Value' }).fill('loud, early');
    await button('Add').click();
    await expect.poll(() => stored('tags')).toEqual(['loud', 'early']);
    await button('Add an attribute').click();
    await page.getByRole('combobox', { name: 'Attribute', exact: true }).selectOption({ label: 'another, by its key' });
    await page.getByRole('textbox', { name: 'Key' }).fill('seat');
    await page.getByRole('textbox', { name: 'Value' }).fill('B 12');
    await button('Add').click();
    await expect.poll(() => stored('seat')).toEqual(['B 12']);
    await button('Change seat').click();
    await button('Remove').click();
    await expect.poll(() => stored('seat')).toEqual([]);
    await expect.poll(() => page.evaluate(() => document.activeElement?.textContent)).toBe('Add an attribute');
    await pictured('profile-attributes', { fullPage: true });
  });

  test('through all of this no page threw, logged an error or broke its policy', () => {
    expect(watched.problems).toEqual([]);
  });
});
