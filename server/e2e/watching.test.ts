// The dashboard and the alerts that operators load name metrics, and labels of them, that there are.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parse } from 'yaml';
import { startTestServer, type TestServer } from '../src/testing/server.ts';

const DEPLOY = join(import.meta.dirname, '../../deploy');

interface Panel {
  type: string;
  title: string;
  targets?: { expr: string }[];
  gridPos: { x: number; y: number; w: number; h: number };
}
const dashboard = JSON.parse(readFileSync(join(DEPLOY, 'grafana/grandstand.json'), 'utf8')) as { panels: Panel[] };
const rules = parse(readFileSync(join(DEPLOY, 'prometheus/grandstand.rules.yaml'), 'utf8')) as {
  groups: { rules: { alert: string; expr: string; annotations: Record<string, string> }[] }[];
};
const alerts = rules.groups.flatMap((group) => group.rules);
const operating = readFileSync(join(DEPLOY, '../docs/operating.md'), 'utf8');

let server: TestServer;
/** Names as a scrape has them: with those of a histogram's parts. */
let names: Set<string>;
let labels: Map<string, Set<string>>;
beforeAll(async () => {
  server = await startTestServer();
  await server.sdk.profiles.create();
  await server.sdk.webhooks.create({ url: 'https://receiver.example.com/' });
  const text = String((await server.call('GET', `${server.url}/metrics`)).body);
  const kinds = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)];
  names = new Set(
    kinds.flatMap(([, name = '', kind]) =>
      kind === 'histogram' ? ['_bucket', '_sum', '_count'].map((part) => name + part) : [name],
    ),
  );
  labels = new Map();
  for (const [, name = '', list = ''] of text.matchAll(/^(\w+)\{(.*)\} \S+$/gm)) {
    const known = labels.get(name) ?? new Set();
    for (const [, label = ''] of list.matchAll(/(\w+)="/g)) known.add(label);
    labels.set(name, known);
  }
});
afterAll(() => server.close());

const metricsOf = (expr: string): string[] => expr.match(/\b(grandstand|process|nodejs)_\w+/g) ?? [];

it('the dashboard asks for metrics that there are, and its panels do not lie on each other', () => {
  const panels = dashboard.panels.filter(({ type }) => type !== 'row');
  expect(panels.length).toBeGreaterThan(12);
  for (const { title, targets = [] } of panels) {
    const asked = targets.flatMap(({ expr }) => metricsOf(expr));
    expect(asked.length, title).toBeGreaterThan(0);
    expect(
      asked.filter((name) => !names.has(name)),
      title,
    ).toEqual([]);
  }
  const taken = new Set<string>();
  for (const { title, gridPos: at } of dashboard.panels)
    for (let x = at.x; x < at.x + at.w; x++)
      for (let y = at.y; y < at.y + at.h; y++) {
        expect(taken.has(`${x},${y}`), title).toBe(false);
        taken.add(`${x},${y}`);
      }
});

it('the alerts ask for metrics that there are, and are those that the guide explains', () => {
  expect(new Set(alerts.map(({ alert }) => alert)).size).toBe(alerts.length);
  for (const { alert, expr, annotations } of alerts) {
    expect(metricsOf(expr).length, alert).toBeGreaterThan(0);
    for (const name of metricsOf(expr)) {
      expect([...names], alert).toContain(name);
      expect(operating, alert).toContain(name.replace(/_bucket$/, ''));
    }
    expect(annotations, alert).toMatchObject({
      summary: expect.any(String) as string,
      description: expect.any(String) as string,
    });
  }
});

it('labels that are summed by or picked are on the metric', () => {
  // What Prometheus adds itself, and what is counted only once something happened.
  const always = new Set(['job', 'instance', 'le']);
  const queries = [
    ...alerts.map(({ expr }) => expr),
    ...dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
  ];
  let held = 0;
  for (const query of queries) {
    const asked = [...query.matchAll(/by \(([\w, ]+)\)/g)].flatMap(([, list = '']) => list.split(/, ?/));
    for (const [, list = ''] of query.matchAll(/\{([^{}]*)\}/g))
      for (const [, label = ''] of list.matchAll(/(\w+)=~?"/g)) asked.push(label);
    for (const name of new Set(metricsOf(query))) {
      const known = labels.get(name);
      if (!known) continue;
      for (const label of asked.filter((each) => !always.has(each))) {
        expect([...known], `${label} in ${query}`).toContain(label);
        held++;
      }
    }
  }
  expect(held).toBeGreaterThan(8);
});

it('every metric of ours is explained', () => {
  const own = [...names]
    .filter((name) => name.startsWith('grandstand_'))
    .map((name) => name.replace(/_(bucket|sum|count)$/, ''));
  expect([...new Set(own)].filter((name) => !operating.includes(name))).toEqual([]);
});
