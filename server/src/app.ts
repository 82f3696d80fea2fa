// The composition root: from a configuration to a running server. Everything is made here and handed on; nothing below
// reads the environment or reaches for a global.

import type { Logger } from 'pino';
import { activityRoutes } from './activities/activity-routes.ts';
import { createIntake } from './activities/intake.ts';
import { activityTypeRoutes } from './activities/activity-type-routes.ts';
import { applicationRoutes } from './applications/application-routes.ts';
import { programRoutes } from './applications/program-routes.ts';
import { applications } from './applications/application-service.ts';
import { attributeRoutes } from './attributes/attribute-routes.ts';
import { createFactBuilder } from './attributes/build-facts.ts';
import { catalogues } from './attributes/catalogues.ts';
import { exportRoutes, sendMembersWith } from './exports/export-routes.ts';
import { createImporter } from './imports/importer.ts';
import { importRoutes } from './imports/import-routes.ts';
import { startAuditChores } from './audit/audit-chores.ts';
import { registerAudit } from './audit/audit-hook.ts';
import { auditRoutes } from './audit/audit-routes.ts';
import { createBackupChores } from './backups/backup-chores.ts';
import type { Chores } from './chores.ts';
import { bootstrap, type FirstStart } from './bootstrap.ts';
import { systemClock, type Clock, type SystemClock } from './clock.ts';
import { foldRows } from './fold-rows.ts';
import { createLog } from './log.ts';
import type { Config } from './config.ts';
import type { Context } from './context.ts';
import { authenticate } from './authenticate.ts';
import { authorize, callerOf } from './credential.ts';
import { profileTokens } from './credentials/token.ts';
import { createNeighbours } from './database/gate.ts';
import { openDatabase } from './database/database.ts';
import { startEmbedded, type EmbeddedDatabase } from './database/embedded.ts';
import { migrate } from './database/migrate.ts';
import { dynamicGroups } from './evaluation/dynamic-groups.ts';
import { countSlice, evaluationGauges, evaluationMeters, noCounts } from './evaluation/meters.ts';
import { startEvaluation, type Evaluation } from './evaluation/thread.ts';
import { watchInstallation, type Installation } from './doctor/watch.ts';
import { eventRoutes } from './events/event-routes.ts';
import { evaluationRoutes } from './evaluation/evaluation-routes.ts';
import { createPreviews } from './evaluation/preview.ts';
import { rulesCache } from './evaluation/rules-cache.ts';
import { createWorker, type Worker } from './evaluation/worker.ts';
import { createChangeChores } from './groups/change-chores.ts';
import { changeRoutes } from './groups/change-routes.ts';
import { groupChores } from './groups/group-chores.ts';
import { groupRoutes } from './groups/group-routes.ts';
import { memberRoutes } from './groups/member-routes.ts';
import { ownGroupsRoutes } from './groups/own-groups-routes.ts';
import { consoleRoutes } from './http/console.ts';
import { exampleRoutes } from './http/examples.ts';
import { siteRoutes } from './http/site.ts';
import type { App } from './http/route.ts';
import { createLimits } from './http/limits.ts';
import { createHttp } from './http/server.ts';
import { createMover, type Mover, type MoverOptions } from './merging/mover.ts';
import { mergingRoutes } from './merging/merging-routes.ts';
import { notOfferedRoutes } from './not-offered/not-offered-routes.ts';
import { operationsRoutes } from './http/operations.ts';
import { createMetrics } from './metrics.ts';
import { producerRoutes } from './producers/producer-routes.ts';
import { inviteFirstOwner } from './producers/producer-service.ts';
import { sessionRoutes } from './producers/session-routes.ts';
import { destinationRoutes } from './sources/destination-routes.ts';
import { liveLikeRoutes } from './sources/livelike-routes.ts';
import { createSourceIntake, segmentRoutes } from './sources/segment-routes.ts';
import { sourceRoutes } from './sources/source-routes.ts';
import { ordinals } from './profiles/ordinals.ts';
import { profileRoutes } from './profiles/profile-routes.ts';
import { profileSearchRoutes } from './profiles/profile-search-routes.ts';
import { profileTokenRoutes } from './profiles/profile-token-routes.ts';
import { checkSecretKey, readSecretKey } from './secret-key.ts';
import { deriveSecrets } from './secrets.ts';
import { createSheetChores } from './sheets/sheet-chores.ts';
import { createStatisticsChores } from './statistics/statistics-chores.ts';
import { statisticsRoutes } from './statistics/statistics-routes.ts';
import { createCreationLimits } from './usage/creation-limits.ts';
import { limitRoutes } from './usage/limit-routes.ts';
import { createUsageChores } from './usage/usage-chores.ts';
import { usageMeters } from './usage/usage-meters.ts';
import { usageRoutes } from './usage/usage-routes.ts';
import { stillValid } from './still-valid.ts';
import { within } from './stopping.ts';
import { resolveName, type Resolve } from './webhooks/address.ts';
import { deliveryRoutes } from './webhooks/delivery-routes.ts';
import { createSender, SEND_TIMEOUT_MS } from './webhooks/send.ts';
import { webhookGauges, webhookMeters } from './webhooks/webhook-meters.ts';
import { webhookRoutes } from './webhooks/webhook-routes.ts';
import { createWebhookWorker, type WebhookWorker } from './webhooks/worker.ts';

export interface AppOptions {
  /** Tests pass one that they move. */
  clock?: Clock;
  log?: Logger;
  /** False: an empty database stays empty, since its credentials would be shown to no one. */
  firstStart?: boolean;
  /** Tests say it of one node, to run the statements of a cluster there. Default: what the database is. */
  isDistributed?: boolean;
  /** How soon the evaluation finds what it was not woken for. */
  lookEveryMs?: number;
  /** How long the rest of a body may take once its request was answered. */
  restOfBodyMs?: number;
  /** How webhooks are sent, where that is not as in production. */
  webhooks?: { resolve?: Resolve; timeoutMs?: number; ttlMs?: number };
  /** Tests say when histories come over, and in which steps. */
  moves?: MoverOptions & { start?: boolean };
  /** False: looks at its installation only when it is told to. */
  watchesInstallation?: boolean;
}

export interface GrandstandApp {
  http: App;
  context: Context;
  /** Evaluates when started, or, in tests, tick by tick. */
  worker: Worker;
  /** Sends webhooks when started, or, in tests, tick by tick. */
  webhookWorker: WebhookWorker;
  /** Counts for the overview, by itself when started. */
  statisticsChores: Chores;
  /** Makes sheets of days that are over, by itself when started. */
  sheetChores: Chores;
  /** Makes checkpoints of feeds, by itself when started. */
  changeChores: Chores;
  /** Keeps the figures that limits and metrics read, by itself when started. */
  usageChores: Chores;
  /** Brings long histories over after their merges, by itself when started. */
  mover: Mover;
  /** What is wrong with settings, machine or database. */
  installation: Installation;
  /** What the very first start made, to be shown once. */
  firstStart: FirstStart | undefined;
  /** Of the link that makes the first owner, while there is no producer: `/invitation#<token>`. */
  firstOwnerToken: string | undefined;
  /** In-flight requests finish, then the database stops. */
  close(): Promise<void>;
}

/** Long reads at once: those of requests (http/shares.ts), exports, snapshots that are kept for the next, and counts. */
const READERS = 12;
const CLOCK_INTERVAL_MS = 10_000;
/** How long each part of a stop may take, beyond the time limit of requests. */
const STOP_MARGIN_MS = 5_000;
const WORK_STOP_MS = 12_000;

export async function createApp(config: Config, options: AppOptions = {}): Promise<GrandstandApp> {
  const log = options.log ?? createLog(config.logLevel);
  let embedded: EmbeddedDatabase | undefined;
  if (config.databaseUrl === undefined) {
    embedded = await startEmbedded({ dataDir: config.dataDir, log });
  }
  try {
    return await composeApp(config, options, log, embedded);
  } catch (error) {
    await embedded?.stop();
    throw error;
  }
}

async function composeApp(
  config: Config,
  options: AppOptions,
  log: Logger,
  embedded: EmbeddedDatabase | undefined,
): Promise<GrandstandApp> {
  const url = config.databaseUrl ?? embedded?.url ?? '';
  const { applied, isDistributed, isPooled } = await migrate(url, { onWait: (message) => log.warn(message) });
  if (applied.length > 0) log.info({ applied }, 'database migrated');

  const metrics = createMetrics();
  const db = openDatabase({
    url,
    poolSize: config.databasePoolSize,
    readers: READERS,
    name: 'grandstand',
    isDistributed: options.isDistributed ?? isDistributed,
    isPooled,
    onError: (error) => {
      metrics.databaseErrors.inc();
      log.warn({ err: error }, 'a database connection broke');
    },
  });
  try {
    const secretKey = config.secretKey ?? (await readSecretKey(config.dataDir));
    await checkSecretKey(db, secretKey);
    const secrets = deriveSecrets(secretKey);
    const clock = options.clock ?? systemClock();
    const stopClock = await keepClock(clock, db);
    const base = { db, clock, log, config, secrets, metrics };
    const rules = rulesCache(db);
    const evaluated = dynamicGroups({ ...base, rules });
    const chores = groupChores({ ...base, dynamicGroups: evaluated });
    const mover = createMover(base, options.moves);
    const creationLimits = createCreationLimits(base, usageMeters(metrics.registry, base).refused);
    const context: Context = {
      ...base,
      mover,
      applications: applications(base),
      catalogues: catalogues(db),
      ordinals: ordinals(db),
      tokens: profileTokens(secrets.tokenKey),
      creationLimits,
      neighbours: createNeighbours(),
      stillValid: (credentials) => stillValid(base, credentials),
      dynamicGroups: evaluated,
      groupChores: chores,
    };
    const factBuilder = createFactBuilder(context);
    const statisticsChores = createStatisticsChores(base);
    const sheetChores = createSheetChores(base);
    const changeChores = createChangeChores(base);
    const usageChores = createUsageChores(base, creationLimits);
    const intake = createIntake(context);
    const importer = createImporter(context, intake);
    const limits = createLimits(config.limits);
    const sourceIntake = createSourceIntake(context, intake, limits);
    const meters = evaluationMeters(metrics.registry);
    evaluationGauges(metrics.registry, base);
    const worker = createWorker(
      { ...context, rules },
      {
        evaluationInterval: config.evaluationInterval,
        ...(options.lookEveryMs !== undefined && { lookEveryMs: options.lookEveryMs }),
        onSlice: (slice) => {
          const counts = noCounts();
          countSlice(counts, slice, clock.now());
          meters.add(counts);
        },
        onBackfill: (_backfill, outcome, seconds) => meters.add({ ...noCounts(), backfills: [{ outcome, seconds }] }),
      },
    );
    const resolve = options.webhooks?.resolve ?? resolveName;
    const sender = createSender({
      allowPrivate: config.webhookAllowPrivate,
      resolve,
      timeoutMs: options.webhooks?.timeoutMs ?? SEND_TIMEOUT_MS,
    });
    const sent = webhookMeters(metrics.registry);
    webhookGauges(metrics.registry, base);
    const webhookWorker = createWebhookWorker(
      { ...base, sender },
      { onOutcome: sent.add, ...(options.webhooks?.ttlMs !== undefined && { ttlMs: options.webhooks.ttlMs }) },
    );
    const firstStart = await bootstrap(context, options.firstStart ?? true);
    const firstOwnerToken = config.role === 'worker' ? undefined : await inviteFirstOwner(context);
    let evaluation: Evaluation | undefined = undefined;
    const previews = createPreviews(context);
    const installation = watchInstallation(context, isPooled);
    const operations = (scope: App): void => operationsRoutes(scope, context, installation);
    const http = await createHttp(context, {
      limits,
      restOfBodyMs: options.restOfBodyMs,
      onWrite: (clientId) => previews.forget(clientId),
      onChange: () => evaluation?.wake(),
      async admit(request, rule) {
        request.credential = await authenticate(context, request);
        authorize(request.credential, rule);
        return callerOf(request.credential);
      },
      wrap: (http) => registerAudit(http, context),
      routes:
        config.role === 'worker'
          ? [operations]
          : [
              operations,
              consoleRoutes,
              siteRoutes,
              exampleRoutes,
              applicationRoutes,
              programRoutes,
              notOfferedRoutes,
              profileRoutes,
              profileSearchRoutes,
              profileTokenRoutes,
              mergingRoutes,
              groupRoutes,
              (scope) => memberRoutes(scope, context, sendMembersWith(context)),
              changeRoutes,
              eventRoutes,
              (scope) => evaluationRoutes(scope, { ...context, rules }, previews),
              (scope) => activityRoutes(scope, context, intake),
              activityTypeRoutes,
              (scope) => attributeRoutes(scope, context, factBuilder),
              ownGroupsRoutes,
              sessionRoutes,
              producerRoutes,
              (scope) => statisticsRoutes(scope, context, installation),
              usageRoutes,
              limitRoutes,
              (scope) => importRoutes(scope, context, importer),
              (scope) => webhookRoutes(scope, context, { resolve, wake: webhookWorker.wake }),
              (scope) => deliveryRoutes(scope, context, { sender, wake: webhookWorker.wake }),
              sourceRoutes,
              (scope) => segmentRoutes(scope, context, sourceIntake),
              (scope) => liveLikeRoutes(scope, context, sourceIntake),
              (scope) => destinationRoutes(scope, context, sourceIntake),
              auditRoutes,
              exportRoutes,
            ],
    });
    chores.wake();
    const folding = foldRows(db, log);
    factBuilder.start();
    if (options.moves?.start ?? true) mover.start();
    statisticsChores.start();
    sheetChores.start();
    changeChores.start();
    usageChores.start();
    importer.start();
    if (config.role !== 'api') webhookWorker.start();
    const backupChores = createBackupChores(base);
    if (options.watchesInstallation ?? true) {
      installation.start();
      backupChores?.start();
    }
    const stopAuditChores = startAuditChores(base);
    evaluation =
      config.role === 'api'
        ? undefined
        : startEvaluation({
            ...base,
            role: config.role,
            worker,
            meters,
            data: {
              databaseUrl: url,
              isDistributed,
              isPooled,
              evaluationInterval: config.evaluationInterval,
              logLevel: config.logLevel,
            },
          });
    return {
      http,
      context,
      worker,
      webhookWorker,
      statisticsChores,
      sheetChores,
      changeChores,
      usageChores,
      mover,
      installation,
      firstStart,
      firstOwnerToken,
      async close() {
        // Requests in flight finish or run into their own time limit; then no request is left and the rest may go.
        await within(config.requestTimeoutMs + STOP_MARGIN_MS, http.close(), () => http.server.closeAllConnections());
        await within(
          WORK_STOP_MS,
          Promise.allSettled([
            chores.stop(),
            folding.stop(),
            factBuilder.stop(),
            mover.stop(),
            statisticsChores.stop(),
            sheetChores.stop(),
            changeChores.stop(),
            usageChores.stop(),
            importer.stop(),
            sourceIntake.log.stop(),
            stopAuditChores(),
            installation.stop(),
            backupChores?.stop(),
            evaluation?.stop(),
            worker.stop(),
            webhookWorker.stop(),
          ]),
        );
        await sender.close();
        stopClock();
        await within(STOP_MARGIN_MS, db.close());
        await embedded?.stop();
      },
    };
  } catch (error) {
    await db.close();
    throw error;
  }
}

/** Follows the database's clock, unless the clock is a test's. */
async function keepClock(clock: Clock, db: Context['db']): Promise<() => void> {
  if (!('synchronise' in clock)) return () => {};
  const system = clock as SystemClock; // it has the method
  await system.synchronise(db);
  const timer = setInterval(() => void system.synchronise(db).catch(() => {}), CLOCK_INTERVAL_MS);
  timer.unref();
  return () => clearInterval(timer);
}
