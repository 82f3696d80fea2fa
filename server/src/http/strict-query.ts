// A misspelt parameter is passed over by most calls, as contracts of the web have it. Not by those that take something
// away: a replacement with `?id=custom_id` for `?ids=` would look for other members than were meant, and find none.

import type { FastifyRequest } from 'fastify';
import { ValidationError } from '../errors.ts';
import type { App } from './route.ts';

const ALWAYS = new Set(['PUT', 'DELETE']);

/** Refuses query parameters that the route's schema does not name: of PUT, DELETE and routes that ask for it. */
export function registerStrictQuery(app: App): void {
  app.addHook('onRequest', (request, _reply, done) => {
    const { config, schema } = request.routeOptions;
    if (config.access === undefined || !(config.strictQuery ?? ALWAYS.has(request.method))) return done();
    const { properties = {} } = (schema?.querystring ?? {}) as { properties?: Record<string, unknown> }; // TypeBox's object
    done(unknownParameters(request, Object.keys(properties)));
  });
}

function unknownParameters(request: FastifyRequest, known: string[]): ValidationError | undefined {
  const sent = Object.keys(request.query as Record<string, unknown>); // Fastify parses it to an object
  const unknown = sent.filter((name) => !known.includes(name));
  if (unknown.length === 0) return undefined;
  const what = known.length === 0 ? 'This call has no query parameters.' : `This call knows: ${known.join(', ')}.`;
  return new ValidationError(
    Object.fromEntries(unknown.slice(0, 20).map((name) => [name.slice(0, 100), [`Unknown query parameter. ${what}`]])),
  );
}
