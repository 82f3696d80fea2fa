import { expect, it } from 'vitest';
import { originOf, readConfig } from './config.ts';

it.each([
  [{}, 'http://127.0.0.1:7070'],
  [{ HOST: '0.0.0.0', PORT: '80' }, 'http://localhost:80'],
  [{ HOST: '::' }, 'http://localhost:7070'],
  [{ HOST: '::1' }, 'http://[::1]:7070'],
  [{ HOST: '::1', PUBLIC_URL: 'https://fans.example.org' }, 'https://fans.example.org'],
])('%j is reached at %s', (environment, origin) => {
  expect(originOf(readConfig(environment))).toBe(origin);
  expect(URL.canParse(origin)).toBe(true);
});
