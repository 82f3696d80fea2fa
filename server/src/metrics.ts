// What /metrics tells an operator. One registry a process; features add their own meters to it.

import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

export interface Metrics {
  registry: Registry;
  requests: Histogram<'method' | 'route' | 'status'>;
  poolConnections: Gauge<'state'>;
  databaseErrors: Counter;
}

export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return {
    registry,
    requests: new Histogram({
      name: 'grandstand_http_request_duration_seconds',
      help: 'Time from the request line to the end of the answer.',
      labelNames: ['method', 'route', 'status'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
      registers: [registry],
    }),
    poolConnections: new Gauge({
      name: 'grandstand_database_pool_connections',
      help: 'Connections of the transaction pool by state.',
      labelNames: ['state'],
      registers: [registry],
    }),
    databaseErrors: new Counter({
      name: 'grandstand_database_errors_total',
      help: 'Connections to the database that broke.',
      registers: [registry],
    }),
  };
}
