// Between a server and its database: what passes can be stalled, cut, or led to another one.

import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

export interface Proxy {
  url: string;
  /** From now on it leads there. */
  leadTo(databaseUrl: string): void;
  /** Nothing passes any more, in either direction; connections are still accepted. */
  stall(): void;
  /** Every connection breaks; `refuse`: and no new one is taken. */
  cut(options?: { refuse: boolean }): void;
  resume(): void;
  close(): Promise<void>;
}

/** Where an embedded server listens. */
const socketOf = (url: URL, folder: string): string =>
  `${folder}/.s.PGSQL.${url.searchParams.get('port') ?? (url.port || '5432')}`;

export async function startProxy(databaseUrl: string): Promise<Proxy> {
  const first = new URL(databaseUrl);
  let target = first;
  const pairs = new Set<[Socket, Socket]>();
  let stalled = false;
  let refusing = false;
  const server: Server = createServer((client) => {
    if (refusing) return void client.destroy();
    const socketFolder = target.searchParams.get('host');
    const upstream =
      socketFolder === null ? connect(Number(target.port), target.hostname) : connect(socketOf(target, socketFolder));
    const pair: [Socket, Socket] = [client, upstream];
    pairs.add(pair);
    const end = (): void => {
      pairs.delete(pair);
      client.destroy();
      upstream.destroy();
    };
    for (const [from, to] of [pair, [upstream, client]] as const) {
      from.on('data', (chunk) => void to.write(chunk));
      from.on('error', end);
      from.on('close', end);
    }
    if (stalled) pair.forEach((socket) => socket.pause());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // it listens on a port
  const url = new URL(`postgres://127.0.0.1:${port}${first.pathname}`);
  url.username = first.searchParams.get('user') ?? first.username;
  url.password = first.searchParams.get('password') ?? first.password;
  const cut = (): void => [...pairs].forEach(([client]) => client.destroy());
  return {
    url: url.href,
    leadTo(other) {
      target = new URL(other);
    },
    stall() {
      stalled = true;
      for (const pair of pairs) pair.forEach((socket) => socket.pause());
    },
    cut({ refuse } = { refuse: false }) {
      refusing = refuse;
      cut();
    },
    resume() {
      stalled = false;
      refusing = false;
      for (const pair of pairs) pair.forEach((socket) => socket.resume());
    },
    async close() {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
