import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { type BankStore, listBanks, showBank } from '../bank/index.js';
import type { Queues } from './queues.js';

/** What a worker counts, in a registry of its own. */
export class JobMetrics {
  readonly registry = new Registry();
  readonly jobs = new Counter({
    name: 'foilbank_jobs_total',
    help: 'Turns of jobs by queue and outcome: completed, waiting (for children), retried, failed, handed_back, cancelled',
    labelNames: ['queue', 'outcome'],
    registers: [this.registry],
  });
  readonly failures = new Counter({
    name: 'foilbank_job_failures_total',
    help: 'Failed tries by error code',
    labelNames: ['queue', 'code'],
    registers: [this.registry],
  });
  readonly stalled = new Counter({
    name: 'foilbank_jobs_stalled_total',
    help: 'Jobs taken back from workers that stopped renewing their lock',
    labelNames: ['queue'],
    registers: [this.registry],
  });
  readonly seconds = new Histogram({
    name: 'foilbank_job_seconds',
    help: 'Duration of completed turns',
    labelNames: ['queue'],
    buckets: [0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000],
    registers: [this.registry],
  });
  readonly seeds = new Counter({
    name: 'foilbank_seeds_total',
    help: 'Latent seeds generated',
    registers: [this.registry],
  });
  readonly accepted = new Counter({
    name: 'foilbank_faces_accepted_total',
    help: 'Generated faces that the detector accepted',
    registers: [this.registry],
  });
  readonly gateFailures = new Counter({
    name: 'foilbank_gate_failures_total',
    help: 'Versions that were not published, by the gate that failed',
    labelNames: ['bank', 'gate'],
    registers: [this.registry],
  });

  constructor(store: BankStore, queues?: Queues) {
    collectDefaultMetrics({ register: this.registry });
    this.#banks(store);
    if (queues) this.#depths(queues);
  }

  /** Age of what is in service: the one figure that says whether refreshes really happen. */
  #banks(store: BankStore): void {
    const age = new Gauge({
      name: 'foilbank_bank_age_seconds',
      help: 'Seconds since the version in service was created',
      labelNames: ['bank'],
      registers: [this.registry],
      collect: async () => {
        age.reset();
        for (const bank of await listBanks(store).catch(() => [])) {
          const manifest = await showBank(store, bank).catch(() => undefined);
          if (manifest) age.set({ bank }, (Date.now() - Date.parse(manifest.createdAt)) / 1000);
        }
      },
    });
  }

  #depths(queues: Queues): void {
    const depth = new Gauge({
      name: 'foilbank_queue_jobs',
      help: 'Jobs by queue and state',
      labelNames: ['queue', 'state'],
      registers: [this.registry],
      collect: async () => {
        for (const queue of [queues.generate, queues.publish]) {
          const counts = await queue.getJobCounts().catch(() => ({}));
          for (const [state, count] of Object.entries(counts)) depth.set({ queue: queue.name, state }, count);
        }
      },
    });
  }
}
