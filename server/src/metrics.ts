// What /metrics tells an operator. One registry a process; features add their own meters to it.

import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

export interface Metrics {
  registry: Registry;
  requestSeconds: Histogram<'operation'>;
  requests: Counter<'operation' | 'status'>;
  poolConnections: Gauge<'state'>;
  databaseErrors: Counter;
}

export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, gcDurationBuckets: [0.01, 0.1, 1] });
  return {
    registry,
    // Few buckets and one short label: there is a line for each bucket of each operation that was ever called.
    requestSeconds: new Histogram({
      name: 'grandstand_http_request_duration_seconds',
      help: 'Time from the request line to the end of the answer.',
      labelNames: ['operation'],
      buckets: [0.005, 0.05, 0.25, 2.5],
      registers: [registry],
    }),
    requests: new Counter({
      name: 'grandstand_http_requests_total',
      help: 'Answers by operation of the OpenAPI document and class of status.',
      labelNames: ['operation', 'status'],
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
