import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Manifest } from '../bank/index.js';

/** What the service counts, in a registry of its own. */
export class ServiceMetrics {
  readonly registry = new Registry();
  readonly seconds = new Histogram({
    name: 'foilbank_rpc_seconds',
    help: 'Time from the request read to the reply made, by RPC and code',
    labelNames: ['rpc', 'code'],
    buckets: [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10],
    registers: [this.registry],
  });
  readonly underWay = new Gauge({
    name: 'foilbank_rpcs_under_way',
    help: 'RPCs that are being answered',
    registers: [this.registry],
  });
  readonly shed = new Counter({
    name: 'foilbank_rpcs_shed_total',
    help: 'RPCs refused because too much was under way, or a key asked too often',
    labelNames: ['code'],
    registers: [this.registry],
  });
  readonly batchRows = new Histogram({
    name: 'foilbank_batch_rows',
    help: 'Embeddings of one search',
    labelNames: ['bank'],
    buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024],
    registers: [this.registry],
  });
  readonly refused = new Counter({
    name: 'foilbank_versions_refused_total',
    help: 'Bank versions that could not be put into service, by error code',
    labelNames: ['bank', 'code'],
    registers: [this.registry],
  });
  readonly #version = new Gauge({
    name: 'foilbank_bank_version',
    help: 'Number of the version that serves, with its engine',
    labelNames: ['bank', 'engine'],
    registers: [this.registry],
  });
  readonly #created = new Map<string, number>();

  /** @param depth embeddings that wait, by bank */
  constructor(depth: () => Iterable<readonly [bank: string, rows: number]>) {
    collectDefaultMetrics({ register: this.registry });
    const age = new Gauge({
      name: 'foilbank_bank_age_seconds',
      help: 'Seconds since the version that serves was created',
      labelNames: ['bank'],
      registers: [this.registry],
      collect: () => {
        for (const [bank, created] of this.#created) age.set({ bank }, (Date.now() - created) / 1000);
      },
    });
    const waiting = new Gauge({
      name: 'foilbank_lookup_queue_rows',
      help: 'Embeddings that wait for a search',
      labelNames: ['bank'],
      registers: [this.registry],
      collect: () => {
        for (const [bank, rows] of depth()) waiting.set({ bank }, rows);
      },
    });
  }

  /** Shows what a number is at the moment. */
  watch(name: string, help: string, value: () => number): void {
    const gauge: Gauge = new Gauge({
      ...{ name, help, registers: [this.registry] },
      collect: () => gauge.set(value()),
    });
  }

  swapped({ bank, version, createdAt, parameters }: Manifest): void {
    this.#version.remove({ bank, engine: parameters.engine === 'exact' ? 'hnsw' : 'exact' });
    this.#version.set({ bank, engine: parameters.engine }, Number(version));
    this.#created.set(bank, Date.parse(createdAt));
  }
}
