// Databases of tests on a Citus cluster: TEST_DATABASE_URL is its coordinator, TEST_CITUS_WORKERS names its workers as
// `host:port,host:port`. Extension and nodes belong to each database, and each worker holds its part of it under the same name,
// so a template is copied on every node.

import pg from 'pg';

/** The workers, each as the address of the coordinator with another host. */
export function citusWorkers(coordinator: string, workers: string | undefined): string[] {
  return (workers ?? '')
    .split(',')
    .filter((node) => node !== '')
    .map((node) => {
      const url = new URL(coordinator);
      url.host = node;
      return url.href;
    });
}

/** An empty database on every node, with the extension, and the coordinator knowing all of them. */
export async function createCitusDatabase(coordinator: string, workers: string[], name: string): Promise<void> {
  for (const node of [...workers, coordinator]) {
    await on(node, 'postgres', `create database ${name}`);
    await on(node, name, 'create extension citus');
  }
  const { hostname, port } = new URL(coordinator);
  await on(coordinator, name, `select citus_set_coordinator_host('${hostname}', ${port || 5432})`);
  for (const worker of workers) {
    const url = new URL(worker);
    await on(coordinator, name, `select citus_add_node('${url.hostname}', ${url.port})`);
  }
}

/** Nobody may be in a database that is copied, not even the maintenance of Citus. */
export async function closeForCopies(coordinator: string, workers: string[], name: string): Promise<void> {
  for (const node of [...workers, coordinator]) {
    await on(node, 'postgres', `alter database ${name} allow_connections false`);
    await on(
      node,
      'postgres',
      `select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = '${name}'`,
    );
  }
}

export async function copyDatabase(nodes: string[], name: string, template: string): Promise<void> {
  await Promise.all(nodes.map((node) => on(node, 'postgres', `create database ${name} template ${template}`)));
}

async function on(node: string, database: string, statement: string): Promise<void> {
  const url = new URL(node);
  url.pathname = `/${database}`;
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
