import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ERRORS } from '../errors.ts';
import { CLIENT_ID, startTestServer, type TestServer } from '../testing/server.ts';
import type { OpenApiDocument } from './openapi.ts';
import { isOwnAccess, type Access, type OwnAccess } from './route.ts';
import { SESSION_COOKIE } from './schemas.ts';

interface Media {
  schema: object;
  example?: unknown;
  examples?: Record<string, { value: unknown }>;
}

interface DescribedOperation {
  operationId?: string;
  summary?: string;
  description?: string;
  tags?: string[];
  security: object[];
  'x-access'?: Access | OwnAccess;
  parameters: { name: string; in: string; description?: string }[];
  requestBody?: { content: Record<string, Media> };
  responses: Record<string, { description: string; content?: Record<string, Media> }>;
}

describe('the OpenAPI document', () => {
  let server: TestServer;
  let document: OpenApiDocument;
  let operations: { name: string; path: string; method: string; operation: DescribedOperation }[];
  beforeAll(async () => {
    server = await startTestServer();
    document = (await server.call<OpenApiDocument>('GET', 'openapi.json', { token: null })).body;
    operations = Object.entries(document.paths).flatMap(
      ([path, methods]) =>
        Object.entries(methods).map(([method, operation]) => ({
          name: `${method} ${path}`,
          path,
          method,
          operation: operation as unknown as DescribedOperation,
        })), // as openapi.ts writes them
    );
  });
  afterAll(() => server.close());

  it('is OpenAPI 3.1 and holds every route below /api, and what other systems send to', () => {
    expect(document.openapi).toBe('3.1.0');
    const known = new Set(operations.map(({ name }) => name));
    const routes = server.app.http.printRoutes({ commonPrefix: false });
    expect(routes).toContain('profile');
    expect(known.size).toBeGreaterThan(15);
    expect(known).toContain('post /api/v1/applications/{client_id}/profile/');
    expect(known).toContain('get /api/v1/openapi.json');
    const elsewhere = operations.filter(({ path }) => !path.startsWith('/api/'));
    expect(elsewhere.every(({ operation }) => isOwnAccess(operation['x-access']))).toBe(true);
    const long = ['identify', 'track', 'page', 'screen', 'group', 'alias', 'batch', 'import'];
    const names = [...long, 'i', 't', 'p', 's', 'g', 'a', 'b', 'm', 'livelike/{livelike_source_id}/'];
    expect(elsewhere.map(({ name }) => name).sort()).toEqual(names.map((name) => `post /v1/${name}`).sort());
  });

  it('says of every operation what it is called, what it does and who may call it', () => {
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    const bare: string[] = [];
    for (const { name, path, operation } of operations) {
      expect(operation.operationId, name).toMatch(/^[a-z][A-Za-z]+$/);
      expect(operation.summary?.length, name).toBeGreaterThan(5);
      expect(operation.summary, name).not.toMatch(/\.$/);
      expect(operation.description?.length, name).toBeGreaterThan(10);
      expect(operation.tags, name).toHaveLength(1);
      expect(operation.security.length, name).toBeGreaterThan(0);
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
      expect(
        operation.parameters.filter((parameter) => parameter.in === 'path').map((parameter) => parameter.name),
        name,
      ).toEqual(inPath);
      bare.push(
        ...operation.parameters
          .filter((parameter) => !parameter.description)
          .map((parameter) => `${name} ${parameter.name}`),
      );
    }
    expect(bare).toEqual([]);
  });

  it('says of every list in a body how long it may be', () => {
    const unbounded: string[] = [];
    const visit = (schema: Record<string, unknown>, path: string): void => {
      if (path.split('.').length > 20) return;
      const types = [schema['type']].flat();
      if (types.includes('array') && schema['maxItems'] === undefined) unbounded.push(path);
      for (const [name, inner] of Object.entries(schema)) {
        if (typeof inner === 'object' && inner !== null && !Array.isArray(inner) && name !== 'examples')
          visit(inner as Record<string, unknown>, `${path}.${name}`);
      }
    };
    for (const { name, operation } of operations) {
      const media = operation.requestBody?.content['application/json'];
      if (media) visit(media.schema as Record<string, unknown>, name);
    }
    expect(unbounded).toEqual([]);
  });

  it('shows a static and a dynamic group, each with what it has and nothing of the other', async () => {
    const { operation } = operations.find(({ operation: { operationId } }) => operationId === 'createGroup') ?? {};
    const sent = operation?.requestBody?.content['application/json']?.examples ?? {};
    const shown = operation?.responses['201']?.content?.['application/json']?.examples ?? {};
    for (const kind of ['static', 'dynamic']) {
      const made = await server.call('POST', `applications/${CLIENT_ID}/profile-groups/`, { body: sent[kind]?.value });
      expect(made.status, JSON.stringify(made.body)).toBe(201);
      expect(Object.keys(shown[kind]?.value as object), kind).toEqual(Object.keys(made.body));
    }
  });

  it('has an example of every body and every answer, which its own schema accepts', () => {
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    const withComponents = (schema: object): object => ({ ...schema, components: document.components });
    const problems: string[] = [];
    const check = (where: string, media: Media): void => {
      const shown = media.examples ? Object.values(media.examples).map(({ value }) => value) : [media.example];
      if (!('example' in media) && shown.length < 2) problems.push(`${where}: no example`);
      for (const example of shown) {
        if (!ajv.validate(withComponents(media.schema), example))
          problems.push(`${where}: ${ajv.errorsText()} in ${JSON.stringify(example)}`);
      }
    };
    for (const { name, operation } of operations) {
      for (const [type, media] of Object.entries(operation.requestBody?.content ?? {})) check(`${name} ${type}`, media);
      for (const [status, response] of Object.entries(operation.responses)) {
        for (const [type, media] of Object.entries(response.content ?? {})) check(`${name} ${status} ${type}`, media);
        expect(response.description, `${name} ${status}`).toBeTruthy();
      }
    }
    expect(problems).toEqual([]);
  });

  it('names the cookie that a session has', () => {
    expect(document.components.securitySchemes['producerSession']).toMatchObject({
      type: 'apiKey',
      in: 'cookie',
      name: `__Host-${SESSION_COOKIE}`,
    });
  });

  it('lists the answer and the errors of every operation', () => {
    for (const { name, path, method, operation } of operations) {
      const statuses = Object.keys(operation.responses);
      expect(statuses.filter((status) => status.startsWith('2')).length, name).toBeGreaterThan(0);
      const expected = ['400', '429', '500', '503'];
      const isOwn = isOwnAccess(operation['x-access']);
      if (!operation.security.some((way) => Object.keys(way).length === 0)) expected.push('401');
      if (expected.includes('401') && !isOwn) expected.push('403');
      if (path.includes('{')) expected.push('404');
      if (method !== 'get' && !isOwn) expected.push('409');
      if (operation.requestBody) expected.push('413', '415');
      if (operation.parameters.some((parameter) => parameter.name === 'if-match')) expected.push('412');
      expect(statuses, name).toEqual(expect.arrayContaining(expected));
    }
    const schema = document.components.schemas['Error'] as { properties: { error_code: { enum: string[] } } };
    expect(new Set(schema.properties.error_code.enum)).toEqual(
      new Set(Object.keys(ERRORS).filter((code) => code !== 'invalid')),
    );
  });

  it('has no reference that leads nowhere, and nothing that is named twice', () => {
    const text = JSON.stringify(document);
    for (const [, name = ''] of text.matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g))
      expect(document.components.schemas).toHaveProperty(name);
    expect(text).not.toContain('"$id"');
    expect(text).not.toContain('undefined');
  });

  it('is the same for everybody, and may be read by pages of any origin', async () => {
    const answer = await server.call('GET', 'openapi.json', { headers: { origin: 'https://elsewhere.example' } });
    expect(answer.body).toEqual(document);
    expect(answer.headers.get('access-control-allow-origin')).toBe('*');
  });
});

describe('the reference page', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer();
  });
  afterAll(() => server.close());

  it('loads only files of this server and runs no inline script', async () => {
    for (const path of ['/docs/api', '/docs/api/']) {
      const page = await fetch(server.url + path);
      expect(page.status).toBe(200);
      const policy = page.headers.get('content-security-policy') ?? '';
      expect(policy).toMatch(/script-src 'self'(;|$)/);
      expect(policy).toMatch(/connect-src 'self'(;|$)/);
      const html = await page.text();
      expect(html).not.toMatch(/<script(?![^>]*\bsrc=)/);
      expect(html).not.toMatch(/\son\w+=/);
      const links = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1] ?? '');
      expect(links.length).toBeGreaterThan(3);
      for (const link of links) {
        expect(link).toMatch(/^\/[^/]/);
        const file = await fetch(server.url + link);
        expect(file.status, link).toBe(200);
        expect((await file.text()).length, link).toBeGreaterThan(50);
      }
    }
  });

  it('gives no other file', async () => {
    for (const path of [
      '/docs/api/index.html',
      '/docs/api/swagger-ui.js',
      '/docs/api/..%2Fpackage.json',
      '/docs/api/constructor',
      '/docs/api/%2e%2e/x',
    ]) {
      expect((await fetch(server.url + path)).status, path).toBe(404);
    }
  });
});
