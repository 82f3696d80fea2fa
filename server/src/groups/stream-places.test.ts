import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createApplication } from '../applications/application-service.ts';
import { CLIENT_ID, startTestServer, type TestServer } from '../testing/server.ts';
import { createStreamPlaces, type StreamOwner } from './stream-places.ts';

const NO_LIMIT = { total: 0, perAddress: 0, perProfile: 0, perApplication: 0 };

describe('the places for streams', () => {
  const owner = (application: string, address = '192.0.2.1', profile = 'p'): StreamOwner => ({
    clientId: application,
    address,
    profileId: `${application} ${profile}`,
  });
  const refusal = (work: () => unknown): string => {
    try {
      work();
    } catch (error) {
      return String(error);
    }
    return 'it was let in';
  };

  it('end with the limit of an address, of a profile, of an application, and come back when a stream ends', () => {
    const limits = { total: 100, perAddress: 2, perProfile: 3, perApplication: 4 };
    const places = createStreamPlaces(limits);
    const leave = places.take(owner('a', '192.0.2.1'), () => {});
    places.take(owner('a', '192.0.2.1'), () => {});
    expect(refusal(() => places.take(owner('a', '192.0.2.1'), () => {}))).toMatch(/2 streams.*address/);
    places.take(owner('a', '192.0.2.2'), () => {});
    expect(refusal(() => places.take(owner('a', '192.0.2.3'), () => {}))).toMatch(/3 streams.*profile/);
    places.take(owner('a', '192.0.2.3', 'other'), () => {});
    expect(refusal(() => places.take(owner('a', '192.0.2.4', 'third'), () => {}))).toMatch(/4 streams.*application/);
    places.take(owner('b', '192.0.2.4'), () => {});
    leave();
    leave(); // twice is once
    places.take(owner('a', '192.0.2.1', 'third'), () => {});
    expect(refusal(() => places.take(owner('a', '192.0.2.9', 'fourth'), () => {}))).toMatch(/application/);
  });

  it('of a full server are shared: who has fewer takes one from who has most', () => {
    const places = createStreamPlaces({ ...NO_LIMIT, total: 4 });
    const ended: string[] = [];
    for (let i = 0; i < 4; i++) places.take(owner('a'), () => ended.push(`a${i}`));
    expect(refusal(() => places.take(owner('a'), () => {}))).toMatch(/full/);
    places.take(owner('b'), () => ended.push('b'));
    places.take(owner('c'), () => ended.push('c'));
    expect(ended).toEqual(['a0', 'a1']);
    // Two of a, one of each other: none takes from one that would then have less.
    expect(refusal(() => places.take(owner('b'), () => {}))).toMatch(/full/);
    places.take(owner('d'), () => ended.push('d'));
    expect(ended).toEqual(['a0', 'a1', 'a2']);
    expect(refusal(() => places.take(owner('e'), () => {}))).toMatch(/full/);
  });

  it('are without limit where there is none', () => {
    const places = createStreamPlaces(NO_LIMIT);
    for (let i = 0; i < 1000; i++) places.take(owner('a'), () => {});
  });
});

describe('event streams', () => {
  let server: TestServer;
  const open: IncomingMessage[] = [];
  beforeAll(async () => {
    server = await startTestServer({
      env: { STREAM_LIMIT: '6', STREAM_LIMIT_ADDRESS: '4', STREAM_LIMIT_APPLICATION: '6', TRUST_PROXY: 'loopback' },
    });
    await createApplication(server.app.context, { clientId: 'other-app', name: 'Other' });
  });
  afterEach(async () => {
    await Promise.all(
      open.splice(0).map(async (stream) => {
        if (stream.closed) return;
        stream.destroy();
        await once(stream, 'close');
      }),
    );
  });
  afterAll(() => server.close());

  const fan = async (clientId: string): Promise<{ path: string; token: string }> => {
    const made = await server.call<{ id: string; access_token: string }>('POST', `applications/${clientId}/profile/`, {
      token: null,
    });
    const path = `applications/${clientId}/profiles/${made.body.id}/profile-groups/events/`;
    return { path, token: made.body.access_token };
  };
  const listen = ({ path, token }: { path: string; token: string }, address: string): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${token}`, 'x-forwarded-for': address };
      request(server.api(path), { headers, agent: false }, (response) => {
        open.push(response);
        response.on('error', () => {}); // ended by the server
        resolve(response);
      })
        .on('error', reject)
        .end();
    });
  const answered = async (response: IncomingMessage): Promise<string> => {
    let text = '';
    for await (const chunk of response) text += String(chunk);
    return text;
  };

  it('are refused by 429 and Retry-After beyond what an address may have', async () => {
    const fans = await Promise.all(Array.from({ length: 5 }, () => fan(CLIENT_ID)));
    for (const each of fans.slice(0, 4)) expect((await listen(each, '192.0.2.1')).statusCode).toBe(200);
    const refused = await listen(fans[4] ?? { path: '', token: '' }, '192.0.2.1');
    expect(refused.statusCode).toBe(429);
    expect(refused.headers['retry-after']).toBe('30');
    expect(JSON.parse(await answered(refused))).toMatchObject({ error_code: 'throttled' });
    expect((await listen(fans[4] ?? { path: '', token: '' }, '192.0.2.2')).statusCode).toBe(200);
  });

  it('of one application never keep the fans of another out', async () => {
    const noisy = await Promise.all(Array.from({ length: 7 }, () => fan(CLIENT_ID)));
    const streams = [];
    for (const [i, each] of noisy.slice(0, 6).entries()) streams.push(await listen(each, `192.0.2.${10 + (i % 2)}`));
    expect(streams.map((stream) => stream.statusCode)).toEqual(Array(6).fill(200));
    expect((await listen(noisy[6] ?? { path: '', token: '' }, '192.0.2.12')).statusCode).toBe(429);
    const other = await listen(await fan('other-app'), '192.0.2.13');
    expect(other.statusCode).toBe(200);
    // The oldest of the many ends in order, so that its reader comes again.
    expect(await answered(streams[0] as IncomingMessage)).toContain('event: groups');
    expect(streams[1]?.closed).toBe(false);
  });
});
