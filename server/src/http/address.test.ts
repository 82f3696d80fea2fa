import { afterEach, describe, expect, it } from 'vitest';
import { ConfigError, readConfig, readTrustedProxies } from '../config.ts';
import { CLIENT_ID, startTestServer, type TestServer } from '../testing/server.ts';
import { hostOf, trusts } from './address.ts';

describe('an address', () => {
  it('is the same however it is written, and of IPv6 the network that one host has', () => {
    const same: [string, string[]][] = [
      ['1.2.3.4', ['1.2.3.4', '1.2.3.4:5678', '::ffff:1.2.3.4', '::FFFF:102:304', '[::ffff:1.2.3.4]:443', ' 1.2.3.4 ']],
      [
        '2001:db8:1:2::/64',
        [
          '2001:db8:1:2::1',
          '2001:DB8:1:2:0:0:0:1',
          '2001:db8:1:2:ffff::9',
          '[2001:db8:1:2::1]',
          '[2001:db8:1:2::1]:80',
        ],
      ],
      ['fe80::/64', ['fe80::1%eth0', 'fe80::2']],
      ['::1', ['::1', '[::1]:7070', '0:0:0:0:0:0:0:1']],
      ['unknown', ['unknown', 'UNKNOWN']],
      ['_hidden', ['_hidden']],
    ];
    for (const [host, written] of same) for (const text of written) expect(hostOf(text), text).toBe(host);
    expect(hostOf('x'.repeat(10_000)).length).toBeLessThan(100);
    expect(hostOf('')).toBe('');
  });
});

describe('TRUST_PROXY', () => {
  const follow = (setting: string, chain: string[]): string => {
    // As proxy-addr walks: from the socket outwards for as long as the hop is trusted.
    const trust = trusts(readTrustedProxies(setting) ?? false);
    let hop = 0;
    while (hop < chain.length - 1 && trust(chain[hop] ?? '', hop)) hop++;
    return chain[hop] ?? '';
  };

  it('counts hops from the server outwards; true is one', () => {
    const chain = ['10.0.0.1', '203.0.113.7', '198.51.100.9', '6.6.6.6'];
    expect(['false', '0', 'true', '1', '2', '3', '9'].map((setting) => follow(setting, chain))).toEqual([
      '10.0.0.1',
      '10.0.0.1',
      '203.0.113.7',
      '203.0.113.7',
      '198.51.100.9',
      '6.6.6.6',
      '6.6.6.6',
    ]);
  });

  it('knows named proxies in any form that they are written in', () => {
    const setting = '10.0.0.0/8, 2001:db8::/32, 192.0.2.1';
    for (const proxy of [
      '10.9.9.9',
      '::ffff:10.9.9.9',
      '10.9.9.9:8080',
      '2001:db8:5::1',
      '[2001:db8::1]:80',
      '192.0.2.1',
    ])
      expect(follow(setting, [proxy, 'fan']), proxy).toBe('fan');
    for (const other of ['11.0.0.1', '192.0.2.2', '2001:db9::1', 'unknown', '', '::1'])
      expect(follow(setting, [other, 'fan']), other).toBe(other);
    expect(follow('loopback', ['::1', 'fan'])).toBe('fan');
    expect(follow('uniquelocal,loopback', ['127.0.0.1', '172.16.5.5', 'fd00::1', 'fan'])).toBe('fan');
    expect(follow('::ffff:10.0.0.0/104', ['10.1.1.1', 'fan'])).toBe('fan');
  });

  it('refuses what is neither, and says what is allowed', () => {
    for (const wrong of ['yes', '-1', '1.5', '33', '10.0.0.0/40', '10.0.0.0/8;', 'proxy.example', '1,2'])
      expect(() => readConfig({ TRUST_PROXY: wrong }), wrong).toThrow(
        new ConfigError(
          `TRUST_PROXY: must be true, false, a number of proxies from 0 to 32, or addresses such as 10.0.0.0/8, not "${wrong}".`,
        ),
      );
  });
});

describe('the address that counts', () => {
  let server: TestServer | undefined;
  afterEach(async () => {
    await server?.close();
    server = undefined;
  });
  const start = async (env: Record<string, string>) => {
    server = await startTestServer({ env });
  };
  const attempt = async (from: string) =>
    (await server?.call('GET', `applications/${CLIENT_ID}/`, { token: null, headers: { 'x-forwarded-for': from } }))
      ?.status;

  it('is one for all ports and forms of one host', async () => {
    await start({ RATE_LIMIT_ADDRESS: '3', TRUST_PROXY: 'true' });
    const forms = ['1.2.3.4:5678', '1.2.3.4:5679', '::ffff:1.2.3.4', '1.2.3.4', '[::ffff:102:304]:1'];
    expect(await Promise.all(forms.map(attempt))).toEqual(expect.arrayContaining([200, 200, 200, 429, 429]));
    expect(await attempt('1.2.3.5')).toBe(200);
  });

  it('is not one that the caller writes: what stands left of the proxy’s own entry counts for nothing', async () => {
    await start({ RATE_LIMIT_ADDRESS: '2', TRUST_PROXY: 'true' });
    const statuses = [];
    for (let n = 0; n < 5; n++) statuses.push(await attempt(`6.6.6.${n}, 203.0.113.7`));
    expect(statuses).toEqual([200, 200, 429, 429, 429]);
    // The same behind two proxies.
    await server?.close();
    await start({ RATE_LIMIT_ADDRESS: '2', TRUST_PROXY: '2' });
    statuses.length = 0;
    for (let n = 0; n < 4; n++) statuses.push(await attempt(`6.6.6.${n}, 203.0.113.7, 10.0.0.${n}`));
    expect(statuses).toEqual([200, 200, 429, 429]);
  });
});
