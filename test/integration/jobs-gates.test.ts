import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { showBank } from '../../src/bank/index.js';
import { enqueueFlow, JobMetrics, runLocally, showFlow } from '../../src/jobs/index.js';
import { JobWorkers } from '../../src/jobs/worker.js';
import type { GateResult } from '../../src/pipeline/index.js';
import { blobs, type JobGround, type JobTurf, openJobGround } from '../support/jobs.js';
import { tinyNetworks } from '../support/networks.js';
import { hasRedis, needsRedis } from '../support/redis.js';
import { tinyArcFaceCard } from '../support/tiny-models.js';

describe.skipIf(!hasRedis)(needsRedis('a refresh whose embedder was changed under its name'), () => {
  let ground: JobGround;
  let turf: JobTurf;
  let first: string;
  const inService = async () => (await showBank(turf.store, 'blobs')).version;

  beforeAll(async () => {
    ground = await openJobGround();
    turf = await ground.open('gates');
    await runLocally(turf.services(), blobs(ground));
    first = await inService();
    // As a bad update would do it: the same name, red and blue swapped.
    const input = { ...tinyArcFaceCard.input, colour: 'rgb' };
    await tinyNetworks(join(ground.folder, 'models'), { embedder: { input } });
  });
  afterAll(async () => {
    await turf.close();
    await ground.close();
  });

  it('fails in this process, says what it measured and what was changed, and the old version stays', async () => {
    let gates: readonly GateResult[] = [];
    const warnings: string[] = [];
    const refresh = runLocally(turf.services(), blobs(ground), {
      onGates: (results) => {
        gates = results;
      },
      onWarning: (sentence) => warnings.push(sentence),
    });
    const failure = await refresh.catch((error: unknown) => error);
    const failed = gates.filter((g) => !g.passed);
    expect(failed.map((g) => g.gate)).toContain('shiftOfR');
    const { gate, value, limit } = failed[0] as GateResult;
    expect(failure).toMatchObject({
      code: 'FB_GATE_FAILED',
      details: {
        bank: 'blobs',
        gate,
        value: Number(value.toPrecision(3)),
        limit,
      },
    });
    expect(warnings).toEqual([expect.stringContaining('under the same name: embedder')]);
    expect(await inService()).toBe(first);
  });

  it('fails in the queue for good, with the figures in its log and in the metrics', async () => {
    const { queues, store } = turf;
    const metrics = new JobMetrics(store, queues);
    const settings = { services: turf.services(), queues, metrics, log: pino({ level: 'silent' }) };
    const worker = new JobWorkers(settings);
    try {
      const { id } = await enqueueFlow(queues, blobs(ground));
      const { reason } = await turf.until(id, 'failed');
      expect(reason).toMatch(
        /^FB_GATE_FAILED: bank blobs is not published: gate \w+ measured [\d.]+, the limit is [\d.]+$/,
      );
      const gate = /gate (\w+)/.exec(reason as string)?.[1] as string;
      const { log } = await showFlow(queues, id);
      expect(log).toContainEqual(
        expect.stringMatching(new RegExp(`^gate ${gate}: [\\d.]+, limit [\\d.]{1,7}: failed$`)),
      );
      expect(log).toContainEqual(expect.stringMatching(/^gate yieldOfService: .*: passed$/));
      expect(log).toContainEqual(expect.stringMatching(/^warning: changed since version/));
      const text = await metrics.registry.metrics();
      expect(text).toContain(`foilbank_gate_failures_total{bank="blobs",gate="${gate}"} 1\n`);
      // One failure of the job, not one for every try: the same faces would fail again.
      expect(text).toContain('foilbank_job_failures_total{queue="publish",code="FB_GATE_FAILED"} 1\n');
      expect(await inService()).toBe(first);
    } finally {
      await worker.close(5000);
    }
  });

  it('is published where the shift is accepted, and the manifest keeps the figures', async () => {
    const { manifest } = await runLocally(turf.services(), { ...blobs(ground), acceptShift: true });
    expect(await inService()).toBe(manifest?.version);
    const shift = manifest?.gateResults.find((g) => g.gate === 'recorded.shiftOfR') as GateResult;
    expect(shift.passed).toBe(true);
    expect(shift.value).toBeGreaterThan(shift.limit);
  });
});
