// What an application's time zone does: dates in rules and on profiles are days there, and changing it fills groups again.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatInstant, MICROS_PER_DAY, parseInstant, type Instant } from '../instant.ts';
import { createBench, type EngineBench } from '../testing/engine.ts';
import { CLIENT_ID } from '../testing/server.ts';

const instant = (text: string): Instant => parseInstant(text) ?? NaN;

describe('a time zone', () => {
  let bench: EngineBench;
  beforeAll(async () => {
    bench = await createBench();
    await bench.server.sdk.attributes.define({ key: 'birthday', label: 'Birthday', type: 'datetime' });
  });
  afterAll(() => bench.close());

  const born = (date: string) => bench.profile({ attributes: [{ key: 'birthday', value: date }] });
  const settle = () => bench.tick();

  it('is named by the IANA, UTC at first', async () => {
    expect(await bench.server.sdk.getApplication()).toMatchObject({ time_zone: 'UTC' });
    for (const time_zone of ['Madrid', '+01:00', 7, null]) {
      const answer = await bench.server.call('PATCH', `applications/${CLIENT_ID}/`, { body: { time_zone } });
      expect([answer.status, answer.body]).toEqual([
        400,
        { time_zone: ['Must be the name of a time zone at the IANA, like Europe/Madrid or UTC.'] },
      ]);
    }
  });

  it('says when birthdays are: they begin and end at midnight there, also after a leap day', async () => {
    const [leap, march] = [await born('2000-02-29'), await born('1990-03-02')];
    bench.clock.set(instant('2027-02-27T12:00:00Z'));
    const group = await bench.group({ attribute: 'birthday', condition: 'anniversary_within_next_x_days', value: 1 });
    await settle();
    expect(await bench.members(group)).toEqual([]);
    bench.clock.set(instant('2027-02-28T00:00:00Z'));
    await settle();
    expect(await bench.members(group)).toEqual([leap.id]);

    await bench.server.sdk.updateApplication({ time_zone: 'America/New_York' });
    await settle();
    expect(await bench.members(group)).toEqual([]);
    bench.clock.set(instant('2027-02-28T04:59:59Z'));
    await settle();
    expect(await bench.members(group)).toEqual([]);
    bench.clock.set(instant('2027-02-28T05:00:00Z'));
    await settle();
    expect(await bench.members(group)).toEqual([leap.id]);
    const explained = await bench.server.sdk.groups.explain(group, leap.id);
    expect(explained).toMatchObject({ next_change_at: '2027-03-02T05:00:00.000000Z' });
    bench.clock.set(instant('2027-03-02T05:00:00Z'));
    await settle();
    expect(await bench.members(group)).toEqual([march.id]);
    expect(await bench.server.sdk.groups.verify(group)).toMatchObject({ missing: 0, extra: 0 });
  });

  it('makes days of 23 hours right', async () => {
    await bench.server.sdk.updateApplication({ time_zone: 'Europe/Berlin' });
    bench.clock.set(instant('2027-03-28T10:00:00Z')); // the clocks went forward that night
    const fan = await bench.profile();
    const since = instant('2027-03-28T10:00:00Z');
    await bench.send(fan, 'comment-created', { occurred_at: formatInstant(since) });
    const yesterday = await bench.group({ attribute: 'last_comment_at', condition: 'days_ago_between', value: [1, 1] });
    await settle();
    expect(await bench.members(yesterday)).toEqual([]);
    bench.clock.set(instant('2027-03-28T22:00:00Z'));
    await settle();
    expect(await bench.members(yesterday)).toEqual([fan.id]);
    bench.clock.set(instant('2027-03-28T22:00:00Z') + MICROS_PER_DAY);
    await settle();
    expect(await bench.members(yesterday)).toEqual([]);
    expect((await bench.changes(yesterday)).map(({ change, at, cause }) => [change, at, cause])).toEqual([
      ['entered', '2027-03-28T22:00:00.000000Z', 'clock'],
      ['left', '2027-03-29T22:00:00.000000Z', 'clock'],
    ]);
  });
});
