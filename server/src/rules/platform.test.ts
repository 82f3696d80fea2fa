import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { PLATFORM_ATTRIBUTES, PLATFORM_FACTS, PLATFORM_TYPES, PLATFORM_TYPE_LISTS } from './platform.ts';
import { platformMigration, typesStatement } from './platform-sql.ts';

describe("the platform's catalogue", () => {
  it('stands in the migration as it stands in the code', () => {
    const migration = readFileSync(new URL('../../migrations/0002-platform.sql', import.meta.url), 'utf8');
    expect(migration).toBe(platformMigration());
    const later = readFileSync(new URL('../../migrations/0032-sources.sql', import.meta.url), 'utf8');
    expect(later).toContain(typesStatement(PLATFORM_TYPE_LISTS[1] ?? []));
  });

  it('has 29 types and 9 that others send, each numbered in alphabetical order', () => {
    for (const list of PLATFORM_TYPE_LISTS) {
      const names = list.map((type) => type.type);
      expect(names).toEqual([...names].sort());
    }
    expect(PLATFORM_TYPE_LISTS.map((list) => list.length)).toEqual([29, 9]);
    expect(PLATFORM_TYPES.map((type) => type.id)).toEqual(Array.from({ length: 38 }, (_, index) => index + 1));
    expect(PLATFORM_FACTS.every((fact) => fact.id >= 500 && fact.id < 1000 && fact.typeId > 0)).toBe(true);
  });

  it('has 64 attributes, each with a label and a description of its own', () => {
    expect(PLATFORM_ATTRIBUTES).toHaveLength(64);
    for (const field of ['key', 'label', 'description'] as const) {
      expect(new Set(PLATFORM_ATTRIBUTES.map((attribute) => attribute[field])).size, field).toBe(64);
    }
  });
});
