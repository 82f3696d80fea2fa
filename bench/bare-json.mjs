// The bare baseline of bench/refusing.ts: a Fastify route that parses a body of any shape and takes it.

import { fastify } from 'fastify';

const app = fastify({ bodyLimit: 32 * 1024 * 1024 });
app.get('/healthz', async () => ({}));
app.all('/*', async (_request, reply) => reply.code(204).send());

console.log(`listening on ${await app.listen({ host: '127.0.0.1', port: 0 })}`);
process.on('SIGTERM', () => process.exit(0));
