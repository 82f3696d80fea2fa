// Connections for short reads, each shared by many: statements go out one after the other without waiting for answers.

import type { Socket } from 'node:net';
import pg from 'pg';
import { destroy } from './health.ts';

export interface Pipeline {
  client(): Promise<pg.Client>;
  /** Gives the connection up, and all that waits on it. */
  reset(): void;
  close(): Promise<void>;
}

/** One pipelined connection, opened when first needed and again after it broke. */
export function openPipeline(settings: pg.ClientConfig, onError: (error: Error) => void): Pipeline {
  let current: Promise<pg.Client> | undefined;
  const open = async (): Promise<pg.Client> => {
    const client = new pg.Client({ ...settings, pipeline: true });
    const forget = (): void => {
      if (current === opened) current = undefined;
    };
    client.on('error', (error) => {
      forget();
      onError(error);
    });
    client.on('end', forget);
    const opened = current;
    try {
      await client.connect();
    } catch (error) {
      forget();
      throw error;
    }
    return client;
  };
  return {
    async client() {
      current ??= Promise.resolve().then(open);
      const client = await current;
      gather(client);
      return client;
    },
    reset() {
      current?.then(destroy).catch(() => {}); // it was never there, or has gone already
      current = undefined;
    },
    async close() {
      const client = await current?.catch(() => undefined);
      current = undefined;
      await client?.end();
    },
  };
}

const gathering = new WeakSet<pg.Client>();

/** What is sent before the event loop turns goes out in one write: many requests that arrived together cost one. */
function gather(client: pg.Client): void {
  if (gathering.has(client)) return;
  const { stream } = (client as unknown as { connection: { stream: Socket } }).connection; // pg does not type its socket
  gathering.add(client);
  stream.cork();
  setImmediate(() => {
    gathering.delete(client);
    stream.uncork();
  });
}
