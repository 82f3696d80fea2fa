// A receiver of webhooks for tests: real HTTP, signatures verified, answers as the test says.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';

export interface Received {
  path: string;
  id: string;
  headers: Record<string, string>;
  type: string;
  body: Body;
  text: string;
  /** What it was answered with. */
  status: number;
}

export interface Body {
  type: string;
  timestamp: string;
  client_id: string;
  data: {
    group?: { id: string; custom_id: string | null; name: string };
    first_sequence?: number;
    last_sequence?: number;
    changes?: {
      sequence: number;
      change: string;
      profile_id: string;
      custom_id: string | null;
      at: string;
      cause: string;
    }[];
    switch?: { cause: string; at: string; entered: number; left: number };
    profile?: { id: string; custom_id: string | null };
    sequence?: number;
    changed?: string[];
    error?: string;
  };
}

export type Respond = (message: Received, response: ServerResponse) => number | undefined;

export interface Receiver {
  url: string;
  /** Everything that came, verified, in the order of arrival. */
  received: Received[];
  /** By path: the secret that verifies. Without one nothing is verified there. */
  secrets: Map<string, string>;
  /** By path: the status, or undefined where it answers itself (or never). Default 200. */
  answers: Map<string, Respond>;
  /** What did not verify. */
  forged: string[];
  close(): Promise<void>;
}

export async function startReceiver(): Promise<Receiver> {
  const receiver: Receiver = {
    url: '',
    received: [],
    secrets: new Map(),
    answers: new Map(),
    forged: [],
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  const server = createServer((request, response) => void take(receiver, request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  receiver.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`; // it listens on TCP
  return receiver;
}

async function take(receiver: Receiver, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of request) chunks.push(chunk as Buffer); // no encoding is set
  } catch {
    return;
  }
  const text = Buffer.concat(chunks).toString();
  const path = request.url ?? '';
  const headers = request.headers as Record<string, string>; // none of these comes twice
  const secret = receiver.secrets.get(path);
  if (secret !== undefined) {
    try {
      new Webhook(secret).verify(text, headers);
    } catch (error) {
      receiver.forged.push(`${path}: ${String(error)}`);
    }
  }
  const body = JSON.parse(text) as Body; // of our own making
  const message: Received = {
    path,
    id: headers['webhook-id'] ?? '',
    headers,
    type: body.type,
    body,
    text,
    status: 200,
  };
  receiver.received.push(message);
  const status = receiver.answers.has(path) ? receiver.answers.get(path)?.(message, response) : 200;
  if (status === undefined) return;
  message.status = status;
  if (!response.headersSent) response.writeHead(status);
  response.end();
}
