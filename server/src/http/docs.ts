// The OpenAPI document and the page that shows it. The page's files come from the Swagger UI in our dependencies, read when
// they are asked for; it loads nothing from elsewhere and runs no inline script.

import { createReadStream } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Type } from 'typebox';
import { notFound } from '../errors.ts';
import { collectOperations } from './openapi.ts';
import type { App } from './route.ts';

const FILES: Record<string, string> = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'favicon-32x32.png': 'image/png',
};

/** Before every other route: the document holds those that come after. */
export function registerDocs(app: App): void {
  const { document } = collectOperations(app);
  let text: string | undefined;

  app.get(
    '/api/v1/openapi.json',
    {
      config: { access: 'public' },
      schema: {
        operationId: 'getOpenApi',
        summary: 'Get this document',
        description: 'The OpenAPI 3.1 description of every operation. `/docs/api` shows it as a page.',
        tags: ['Reference'],
        response: {
          200: Type.Unsafe<string>({ type: 'object', additionalProperties: true, examples: [{ openapi: '3.1.0' }] }),
        },
      },
    },
    async (_request, reply) => {
      text ??= JSON.stringify(document());
      return reply.type('application/json; charset=utf-8').send(text);
    },
  );

  app.get('/docs/api', { schema: { hide: true } }, async (_request, reply) =>
    reply.type('text/html; charset=utf-8').send(PAGE),
  );
  app.get('/docs/api/start.js', { schema: { hide: true } }, async (_request, reply) =>
    reply.type('text/javascript; charset=utf-8').send(START),
  );
  app.get('/docs/api/:file', { schema: { hide: true } }, async (request, reply) => {
    const { file } = request.params as { file: string }; // named in the path
    const type = Object.hasOwn(FILES, file) ? FILES[file] : undefined;
    if (type === undefined) throw notFound();
    const path = fileURLToPath(import.meta.resolve(`@fastify/swagger-ui/static/${file}`));
    return reply.type(type).header('cache-control', 'public, max-age=3600').send(createReadStream(path));
  });
}

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Grandstand API</title>
<link rel="icon" href="/docs/api/favicon-32x32.png">
<link rel="stylesheet" href="/docs/api/swagger-ui.css">
</head>
<body>
<main id="reference"></main>
<noscript><p>This page needs JavaScript. The same as JSON: <a href="/api/v1/openapi.json">/api/v1/openapi.json</a></p></noscript>
<script src="/docs/api/swagger-ui-bundle.js"></script>
<script src="/docs/api/start.js"></script>
</body>
</html>
`;

const START = `window.ui = SwaggerUIBundle({
  url: '/api/v1/openapi.json',
  dom_id: '#reference',
  deepLinking: true,
  docExpansion: 'none',
  validatorUrl: null,
  queryConfigEnabled: false,
});
`;
