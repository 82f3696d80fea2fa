// Real sockets: what a receiver may answer, and which addresses are refused at the moment they are dialled.

import { createServer, type Server } from 'node:http';
import { createServer as createTcpServer, type AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findPublicAddresses, isPublic, type Resolve } from './address.ts';
import { createSender, type Answer, type Sender } from './send.ts';

describe('an address', () => {
  it.each(['8.8.8.8', '93.184.216.34', '2606:4700:4700::1111', '::ffff:8.8.8.8'])('%s may be dialled', (address) =>
    expect(isPublic(address)).toBe(true),
  );

  it.each([
    ['0.0.0.0', 'this host'],
    ['127.0.0.1', 'loopback'],
    ['127.255.255.254', 'loopback'],
    ['10.1.2.3', 'private'],
    ['172.16.0.1', 'private'],
    ['172.31.255.255', 'private'],
    ['192.168.1.1', 'private'],
    ['100.64.0.1', 'carrier'],
    ['100.100.100.200', 'metadata of Alibaba'],
    ['169.254.169.254', 'metadata'],
    ['168.63.129.16', 'metadata of Azure'],
    ['192.0.0.192', 'metadata of Oracle'],
    ['198.18.0.1', 'benchmarks'],
    ['192.0.2.1', 'documentation'],
    ['224.0.0.1', 'multicast'],
    ['240.0.0.1', 'reserved'],
    ['255.255.255.255', 'broadcast'],
    ['::', 'this host'],
    ['::1', 'loopback'],
    ['::127.0.0.1', 'loopback in the old form'],
    ['::ffff:127.0.0.1', 'mapped loopback'],
    ['::ffff:7f00:1', 'mapped loopback in hex'],
    ['::ffff:169.254.169.254', 'mapped metadata'],
    ['::ffff:0:127.0.0.1', 'translated loopback'],
    ['64:ff9b::7f00:1', 'NAT64 loopback'],
    ['64:ff9b:1::7f00:1', 'local NAT64'],
    ['2002:7f00:1::', '6to4 loopback'],
    ['2001:0:4136:e378:8000:63bf:3fff:fdd2', 'teredo'],
    ['fe80::1', 'link-local'],
    ['fe80::1%eth0', 'link-local with a zone'],
    ['fec0::1', 'site-local'],
    ['fc00::1', 'unique local'],
    ['fd00:ec2::254', 'metadata of AWS'],
    ['ff02::1', 'multicast'],
    ['2001:db8::1', 'documentation'],
    ['localhost', 'no address'],
    ['', 'nothing'],
  ])('%s may not (%s)', (address) => expect(isPublic(address)).toBe(false));

  it('is judged by what a name has: one that has none that is public is refused', async () => {
    const resolve: Resolve = async () => ['10.0.0.1', '::1'];
    await expect(findPublicAddresses('inside.example.com', resolve)).rejects.toThrow(
      'inside.example.com has no public address (10.0.0.1, ::1): webhooks go to public addresses only.',
    );
    await expect(findPublicAddresses('[::1]', resolve)).rejects.toThrow('::1 is no public address');
    expect(await findPublicAddresses('mixed.example.com', async () => ['10.0.0.1', '8.8.8.8'])).toEqual(['8.8.8.8']);
  });
});

describe('an attempt', () => {
  let receiver: Server;
  let url: string;
  let requests = 0;
  const answers: Record<string, (respond: import('node:http').ServerResponse) => void> = {
    '/ok': (respond) => respond.end('thanks'),
    '/no-content': (respond) => respond.writeHead(204).end(),
    '/error': (respond) => respond.writeHead(500).end('a'.repeat(5000)),
    '/gone': (respond) => respond.writeHead(410).end(),
    '/busy': (respond) => respond.writeHead(429, { 'retry-after': '7' }).end(),
    '/elsewhere': (respond) => respond.writeHead(302, { location: `${url}/ok` }).end(),
    '/never': () => {},
    '/half': (respond) => respond.writeHead(200, { 'content-length': '1000' }).write('half'),
    '/drip': (respond) => {
      respond.writeHead(200);
      const timer = setInterval(() => respond.write('.'), 20);
      respond.once('close', () => clearInterval(timer));
    },
    '/flood': (respond) => {
      respond.writeHead(200);
      const more = (): void => void (respond.destroyed || respond.write('x'.repeat(65_536), more));
      more();
    },
    '/reset': (respond) => void (respond.socket as import('node:net').Socket).resetAndDestroy(), // it has one
    '/nul': (respond) => respond.end('a\0b'),
  };
  let open: Sender;
  let guarded: Sender;
  let dialled: string[] = [];
  const names: Record<string, string[][]> = {};
  const resolve: Resolve = async (name) => {
    const turns = names[name] ?? [];
    const addresses = (turns.length > 1 ? turns.shift() : turns[0]) ?? [];
    dialled.push(`${name} ${addresses.join()}`);
    return addresses;
  };
  beforeAll(async () => {
    receiver = createServer((request, respond) => {
      requests++;
      request.resume();
      request.once('end', () => answers[request.url ?? '']?.(respond));
    });
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
    open = createSender({ allowPrivate: true, resolve, timeoutMs: 400 });
    guarded = createSender({ allowPrivate: false, resolve, timeoutMs: 400 });
  });
  afterAll(async () => {
    await Promise.all([open.close(), guarded.close()]);
    receiver.closeAllConnections();
    receiver.close();
  });

  const send = (path: string, by = open, owner = 'one'): Promise<Answer> =>
    by.send(owner, { url: path.startsWith('http') ? path : url + path, headers: {}, body: '{"a": 1}' });

  it('is taken by any answer of 200 to 299', async () => {
    expect(await send('/ok')).toMatchObject({ status: 200, error: null, body: 'thanks' });
    expect(await send('/no-content')).toMatchObject({ status: 204, error: null, body: '' });
  });

  it('says why it was not taken, and keeps the first KiB of the answer', async () => {
    const failed = await send('/error');
    expect(failed).toMatchObject({ status: 500, error: 'It answered 500.' });
    expect(failed.body).toBe('a'.repeat(1024));
    expect(await send('/gone')).toMatchObject({ status: 410 });
    expect(await send('/busy')).toMatchObject({ status: 429, retryAfter: '7' });
    expect((await send('/nul')).body).toBe('a\ufffdb');
  });

  it('follows no redirect', async () => {
    const before = requests;
    expect(await send('/elsewhere')).toMatchObject({
      status: 302,
      error: `It answered 302 and pointed to ${url}/ok; redirects are not followed.`,
    });
    expect(requests - before).toBe(1);
  });

  it('ends with its time, and then the status decides, if there was one', async () => {
    expect(await send('/never')).toMatchObject({ status: null, error: 'It did not answer within 0.4 seconds.' });
    expect(await send('/half')).toMatchObject({ status: 200, error: null, body: 'half' });
    expect(await send('/drip')).toMatchObject({ status: 200, error: null, body: expect.stringMatching(/^[.]+$/) });
  });

  it('reads no more of an endless answer than it keeps', async () => {
    expect(await send('/flood')).toMatchObject({ status: 200, error: null, body: 'x'.repeat(1024) });
  });

  it('fails where the connection is cut or nobody listens', async () => {
    expect(await send('/reset')).toMatchObject({
      status: null,
      error: 'The connection was cut before there was an answer.',
    });
    const closed = createTcpServer();
    await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
    const { port } = closed.address() as AddressInfo;
    await new Promise((resolve) => closed.close(resolve));
    expect(await send(`http://127.0.0.1:${port}/`)).toMatchObject({
      status: null,
      error: 'Nothing listens there: the connection was refused.',
    });
  });

  it('never dials an address inside, however it is written', async () => {
    const { port } = receiver.address() as AddressInfo;
    const before = requests;
    for (const host of [
      '127.0.0.1',
      '2130706433',
      '0x7f.1',
      '127.1',
      '[::1]',
      '[::ffff:127.0.0.1]',
      '[::ffff:7f00:1]',
    ]) {
      const answer = await send(`http://${host}:${port}/ok`, guarded, host);
      expect(answer.status, host).toBe(null);
      expect(answer.error, host).toContain('webhooks go to public addresses only');
    }
    expect(requests).toBe(before);
  });

  it('judges a name anew at each connection, and dials exactly what it judged', async () => {
    const { port } = receiver.address() as AddressInfo;
    names['rebinding.example.com'] = [['8.8.8.8'], ['127.0.0.1']];
    await findPublicAddresses('rebinding.example.com', resolve); // as at saving: it is public
    const before = requests;
    dialled = [];
    const answer = await send(`http://rebinding.example.com:${port}/ok`, guarded);
    expect(answer.error).toBe(
      'rebinding.example.com has no public address (127.0.0.1): webhooks go to public addresses only.',
    );
    expect(dialled).toEqual(['rebinding.example.com 127.0.0.1']); // asked once, and nothing else asked
    expect(requests).toBe(before);

    names['two.example.com'] = [['127.0.0.1', '192.0.2.7']];
    expect((await send(`http://two.example.com:${port}/ok`, guarded)).error).toContain('has no public address');
    names['lifted.example.com'] = [['127.0.0.1']];
    expect(await send(`http://lifted.example.com:${port}/ok`)).toMatchObject({ status: 200 });
  });
});
