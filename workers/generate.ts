#!/usr/bin/env node
import { startWorker } from './start.js';

/** Makes the faces of chunks: any number of these, each with its share of the cores (FOILBANK_THREADS). */
await startWorker(['generate']);
