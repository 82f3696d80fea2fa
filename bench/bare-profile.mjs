// The bare baseline of bench/http.ts: the same statements behind a Fastify route and nothing else.

import { randomUUID } from 'node:crypto';
import { fastify } from 'fastify';
import pg from 'pg';

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 });
const app = fastify();
let ordinal = 1_000_000_000;

const SELECT = `select p.id, p.ordinal, p.nickname, p.custom_id, p.custom_data, p.created_at, p.updated_at, p.client_tokens_after,
  (select t.last_at from totals t where t.profile_id = p.id and t.fact_id = 0) as last_active_at,
  coalesce((select json_agg(json_build_object('key', a.key, 'value', a.value, 'written_by', a.written_by) order by a.position, a.value)
    from profile_attributes a where a.profile_id = p.id), '[]'::json) as attributes
  from profiles p where p.id = $1 and p.application_id = 1
    and exists (select from profile_tokens k where k.profile_id = p.id and k.id = $2)`;

app.get('/profile/:id/:token/', async (request) => {
  const { rows } = await pool.query({
    name: 'profile',
    text: SELECT,
    values: [request.params.id, request.params.token],
  });
  return rows[0];
});

app.post('/profile/', async (_request, reply) => {
  const client = await pool.connect();
  try {
    const id = randomUUID();
    const place = ordinal++;
    await client.query('begin');
    await client.query({
      name: 'insert',
      text: `insert into profiles (id, application_id, ordinal, nickname, folded, words, created_at, updated_at) values ($1, 1, $2, 'Final Horse', 'final horse', '''1:final'' ''1:horse''', now(), now())`,
      values: [id, place],
    });
    await client.query({
      name: 'token',
      text: 'insert into profile_tokens (profile_id, id, created_at) values ($1, $2, now())',
      values: [id, randomUUID()],
    });
    await client.query({
      name: 'count',
      text: 'update statistics set profiles = profiles + 1 where application_id = 1 and shard = $1',
      values: [place % 16],
    });
    await client.query('commit');
    reply.code(201);
    return { id };
  } finally {
    client.release();
  }
});

console.log(`listening on ${await app.listen({ host: '127.0.0.1', port: 0 })}`);
process.on('SIGTERM', () => process.exit(0));
