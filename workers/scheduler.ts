#!/usr/bin/env node
import { resolveConfig } from '../src/config.js';
import {
  JobMetrics,
  openMonitor,
  resolveRefreshSchedule,
  resolveWorkerSettings,
  tendSchedule,
  unreadyServices,
} from '../src/jobs/index.js';
import { start, storeOf } from './start.js';

/** Keeps the nightly refresh scheduled (FOILBANK_REFRESH_CRON, _TZ, _BANK, _SIZE, _KEEP), and tells the age of every bank: one of these. */
await start(async ({ queues, log, signal }) => {
  const store = storeOf(resolveConfig());
  const monitor = await openMonitor({
    ...resolveWorkerSettings(process.env).monitor,
    registry: new JobMetrics(store, queues).registry,
    unready: () => unreadyServices(queues, store),
  });
  log.info({ url: monitor.url }, 'ready');
  await tendSchedule({ queues, log, signal, ...resolveRefreshSchedule(process.env) }).finally(() =>
    monitor.close(),
  );
});
