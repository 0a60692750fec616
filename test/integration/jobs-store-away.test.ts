import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { listVersions, rollbackBank, showBank } from '../../src/bank/index.js';
import { enqueueFlow, retryFlow, runLocally } from '../../src/jobs/index.js';
import { blobs, jobTest as it } from '../support/jobs.js';
import { hasRedis, needsRedis } from '../support/redis.js';

describe.skipIf(!hasRedis)(needsRedis('a refresh'), { timeout: 60_000 }, () => {
  it('does not begin a bank anew in a store that has lost it, and goes on when the store is back', async ({
    ground,
    turf,
  }) => {
    const worker = turf.work();
    const first = await enqueueFlow(turf.queues, blobs(ground));
    expect(await turf.until(first.id, 'done', 'failed')).toMatchObject({ version: '000001' });
    await worker.close(1000);
    const { location } = turf.store;
    await rename(location, `${location}.unmounted`);
    // Another process, which has never seen the store: the machine was started anew without the drive.
    const later = await ground.open(turf.name);
    later.work();
    const { id } = await enqueueFlow(later.queues, blobs(ground));
    const waiting = await later.until(id, 'retrying', 'done', 'failed');
    expect(waiting).toMatchObject({
      status: 'retrying',
      reason: expect.stringMatching(/^FB_BANK_GONE: store .* holds no bank blobs, whose version 000001/),
    });
    expect(await later.store.list('')).toEqual([]);
    await rename(`${location}.unmounted`, location);
    expect(await later.until(id, 'done', 'failed')).toMatchObject({ version: '000002', epoch: 1 });
    await later.close();
  });

  it('of a bank whose manifest is damaged fails with a code; after a rollback it draws seeds that no version drew', async ({
    ground,
    turf,
  }) => {
    for (let version = 0; version < 2; version++) await runLocally(turf.services(), blobs(ground));
    const { inputs } = await showBank(turf.store, 'blobs', '000002');
    expect(inputs.seeds.epoch).toBe(1);
    await writeFile(join(turf.store.location, 'blobs/versions/000002/manifest.json'), '{}');
    turf.work();
    const { id } = await enqueueFlow(turf.queues, blobs(ground));
    expect(await turf.until(id, 'done', 'failed')).toMatchObject({
      ...{ status: 'failed', tries: 1 },
      reason: expect.stringMatching(
        /^FB_BANK_CORRUPT: bank file blobs\/versions\/000002\/manifest\.json is damaged/,
      ),
    });
    await rollbackBank(turf.store, 'blobs');
    await retryFlow(turf.queues, id);
    const done = await turf.until(id, 'done', 'failed');
    expect(done).toMatchObject({ status: 'done', version: '000003', epoch: 2 });
    const versions = await listVersions(turf.store, 'blobs');
    expect(versions.map(({ version, inService }) => [version, inService])).toEqual([
      ...[
        ['000001', false],
        ['000002', false],
      ],
      ['000003', true],
    ]);
  });
});
