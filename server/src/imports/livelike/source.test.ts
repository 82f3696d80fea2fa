import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { openSource } from './source.ts';

const closing: (() => void)[] = [];
afterEach(() => closing.splice(0).forEach((close) => close()));

/** A system that answers as it is told, one after the other, and then with a list. */
async function startOther(answers: ((response: ServerResponse) => void)[]) {
  const askedAt: number[] = [];
  const server = createServer((_request, response) => {
    askedAt.push(performance.now());
    const next = answers.shift();
    if (next) return next(response);
    response.setHeader('content-type', 'application/json');
    response.end('{"results": [], "count": 0, "next": null}');
  });
  closing.push(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // it listens
  return { askedAt, source: openSource({ endpoint: `http://127.0.0.1:${port}`, clientId: 'x', token: 't' }) };
}

const later = (status: number, retryAfter?: string) => (response: ServerResponse) => {
  response.statusCode = status;
  if (retryAfter !== undefined) response.setHeader('retry-after', retryAfter);
  response.end('{"detail": "slower"}');
};

it('goes as slowly as the other side asks, however often that is', async () => {
  const past = new Date(0).toUTCString();
  const { source, askedAt } = await startOther([
    ...Array.from({ length: 5 }, () => later(429, '0')),
    ...Array.from({ length: 5 }, () => later(503, past)),
    later(429, '0.5'),
  ]);
  expect(await source.get('anything/')).toMatchObject({ count: 0 });
  expect(askedAt).toHaveLength(12);
  const rests = askedAt.slice(1).map((at, index) => at - (askedAt[index] ?? 0));
  expect(Math.min(...rests)).toBeGreaterThan(90);
  expect(rests.at(-1)).toBeGreaterThan(490);
});

it('asks for nothing else meanwhile', async () => {
  const { source, askedAt } = await startOther([later(429, '0.5')]);
  const first = source.get('first/');
  await expect.poll(() => askedAt.length).toBe(1);
  await source.get('second/').then(async () => first);
  expect(askedAt).toHaveLength(3);
  expect((askedAt[1] ?? 0) - (askedAt[0] ?? 0)).toBeGreaterThan(400);
});
