#!/usr/bin/env node
import { startWorker } from './start.js';

/** Plans refreshes, hands their chunks out, and publishes what they became: one or two of these. */
await startWorker(['publish']);
