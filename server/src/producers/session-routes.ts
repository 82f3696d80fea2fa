import { Type, type Static } from 'typebox';
import type { Context } from '../context.ts';
import { denied } from '../errors.ts';
import type { App } from '../http/server.ts';
import type { Credential } from '../credentials/credential.ts';

export const SessionResource = Type.Object({
  kind: Type.Unsafe<'producer' | 'admin'>({ type: 'string', enum: ['producer', 'admin'] }),
  name: Type.String({ description: 'Of the producer or of the admin token.' }),
  email: Type.Unsafe<string | null>({ type: ['string', 'null'] }),
  csrf_token: Type.Unsafe<string | null>({
    type: ['string', 'null'],
    description: 'Of a producer’s session: every unsafe method needs it in X-CSRF-Token.',
  }),
  applications: Type.Array(
    Type.Object({
      client_id: Type.String(),
      name: Type.String(),
      role: Type.String({
        description: '`owner`, `editor`, `viewer`; of an admin token `admin`, or `viewer` where it is read-only.',
      }),
    }),
  ),
});
export type SessionResource = Static<typeof SessionResource>;

export function sessionRoutes(app: App, _context: Context): void {
  app.get(
    '/api/v1/session/',
    {
      config: { access: 'any' },
      schema: {
        operationId: 'getSession',
        summary: 'Who is signed in',
        description: 'The producer or admin token that asks, and the applications it reaches.',
        tags: ['Producers'],
        response: { 200: SessionResource },
      },
    },
    async (request, reply) => {
      reply.header('cache-control', 'no-store');
      return present(request.credential);
    },
  );
}

function present(credential: Credential | undefined): SessionResource {
  if (credential?.kind !== 'admin') throw denied('This needs an admin access token or the session of a producer.');
  const { client_id, name } = credential.application;
  const role = credential.readOnly ? 'viewer' : 'admin';
  return {
    kind: 'admin',
    name: credential.name,
    email: null,
    csrf_token: null,
    applications: [{ client_id, name, role }],
  };
}
