import { Type } from 'typebox';
import type { Context } from '../context.ts';
import { notFound } from '../errors.ts';
import type { App } from '../http/route.ts';
import { presentProgram, ProgramResource } from './program.ts';

export function programRoutes(app: App, context: Context): void {
  app.get(
    '/api/v1/programs/:program_id/',
    {
      config: { access: 'public' },
      schema: {
        operationId: 'getProgram',
        summary: 'Get a program',
        description:
          'For pages made for LiveLike, which take the client id from here. There are no programs: any id is answered, with the application of `client_id`, else the one of which the id is the client id, else the only one of this server.',
        tags: ['Applications'],
        params: Type.Object({ program_id: Type.String({ description: 'Any id, or a client id.' }) }),
        querystring: Type.Object({
          client_id: Type.Optional(Type.String({ description: 'The application’s client id.' })),
        }),
        response: { 200: ProgramResource },
      },
    },
    async (request) => {
      const { program_id: id } = request.params;
      const { client_id: clientId } = request.query;
      const { applications } = context;
      const application =
        clientId === undefined
          ? ((await applications.find(id)) ?? (await applications.findOnly()))
          : await applications.find(clientId);
      if (!application) throw notFound(WHICH);
      return presentProgram(application, id, request.origin);
    },
  );
}

const WHICH =
  'No application was found for this program: name it, ?client_id=…, or give its client id in place of the program’s id.';
