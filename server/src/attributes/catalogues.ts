// The catalogue of each application as this process last read it. Read again when definitions_version moved; a caller that
// must not be late checks that number in its own transaction.

import { sql, type Database } from '../database/database.ts';
import { notFound } from '../errors.ts';
import type { Catalogue } from '../rules/attribute.ts';
import { loadCatalogue } from '../rules/catalogue-store.ts';

export interface Catalogues {
  /** At most a second old. */
  get(applicationId: number): Promise<Catalogue>;
  /** Read now. */
  refresh(applicationId: number): Promise<Catalogue>;
}

const FRESH_MS = 1000;

export function catalogues(db: Database): Catalogues {
  const cache = new Map<number, { catalogue: Catalogue; checkedAt: number }>();
  db.onBroken(() => cache.clear()); // another catalogue may come to have the same number

  const refresh = async (applicationId: number): Promise<Catalogue> => {
    const catalogue = await db.reading(() => loadCatalogue(db.own, applicationId));
    if (!catalogue) throw notFound();
    // What is not committed yet is for its own request to see, not for everybody.
    if (db.isTogether(() => refresh(applicationId))) return catalogue;
    cache.set(applicationId, { catalogue, checkedAt: performance.now() });
    return catalogue;
  };

  return {
    refresh,
    async get(applicationId) {
      const cached = cache.get(applicationId);
      if (!cached) return refresh(applicationId);
      if (performance.now() - cached.checkedAt < FRESH_MS) return cached.catalogue;
      const { rows } = await db.quick<{ version: number }>(
        sql`select definitions_version as version from applications where id = ${applicationId}`,
      );
      if (rows[0]?.version !== cached.catalogue.version) return refresh(applicationId);
      cached.checkedAt = performance.now();
      return cached.catalogue;
    },
  };
}
