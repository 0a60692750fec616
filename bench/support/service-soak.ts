import { median } from './median.js';
import type { Load, Loaded } from './service-load-trial.js';
import { residentBytes, type Started } from './service-start.js';
import { floorOf, type Sample, slopeOf } from './slope.js';

export interface Soak {
  readonly service: Started;
  readonly load: (trial: Load) => Promise<Loaded>;
  readonly dimension: number;
  readonly k: number;
  readonly connections: number;
  readonly minutes: number;
  /** Publishes the bank anew: a version that the service takes up under load. */
  readonly publish: () => Promise<void>;
}

/** Share of the most that can be had. */
const SHARE = 0.8;
const SWAP_EVERY_S = 60;
/** Seconds after a publish within which the version is looked for, loaded and swapped in. */
const SWAP_S = 10;

/**
 * Requests at four fifths of what the service can answer, for minutes, while versions are swapped under them: what failed, what
 * the slowest of a second took beside a swap and else, and whether memory grows.
 */
export async function measureSoak(soak: Soak): Promise<void> {
  const { service, load, dimension, k, connections, minutes, publish } = soak;
  const common = { url: service.url, protocol: 'grpc', dimension, k, connections, batch: 1 } as const;
  const { rate: most } = await load({ ...common, seconds: 8 });
  const memory: Sample[] = [];
  const swaps: number[] = [];
  const begun = performance.now();
  const look = setInterval(
    () => memory.push({ at: performance.now(), bytes: residentBytes(service.child) }),
    1000,
  );
  const swap = setInterval(() => {
    swaps.push((performance.now() - begun) / 1000);
    void publish();
  }, SWAP_EVERY_S * 1000);
  const done = await load({ ...common, seconds: 60 * minutes, pace: SHARE * most });
  clearInterval(look);
  clearInterval(swap);
  // The load generator counts from its third second on.
  const beside = (second: number) => swaps.some((at) => second + 2 >= at && second + 2 < at + SWAP_S);
  const [during, else_] = [true, false].map((near) =>
    median(done.p99BySecond.filter((p99, second) => Number.isFinite(p99) && beside(second) === near)),
  );
  // The first third warms up.
  const { slope, error } = slopeOf(floorOf(memory.slice(Math.floor(memory.length / 3)), 15));
  const perHour = (perSecond: number) => ((perSecond * 3600) / 1e6).toFixed(1);
  console.log(
    `soak, ${minutes} min at ${done.rate.toFixed(0)}/s (${(done.rate / most).toFixed(2)} of the most): ${done.failed} failed; p50 ${done.p50.toFixed(1)} ms, p99 ${done.p99.toFixed(1)} ms`,
  );
  console.log(
    `${swaps.length} versions swapped in under it: p99 of a second beside a swap ${during!.toFixed(1)} ms, else ${else_!.toFixed(1)} ms, ${(during! / else_!).toFixed(2)} ×`,
  );
  console.log(
    `memory: ${perHour(slope)} ± ${perHour(2 * error)} MB an hour; ${(memory.at(-1)!.bytes / 1e6).toFixed(0)} MB at the end`,
  );
}
