import { afterEach, describe, expect, it } from 'vitest';
import { OlderVersion } from '../../../src/service/older-version.js';
import { Serving } from '../../../src/service/serving.js';
import { publishCrowd, queries, until } from '../../support/service.js';
import { someStore } from '../bank/fixtures.js';

const BATCHES = { maxRows: 64, maxWaitMs: 1, maxWaiting: 64 };
let older: OlderVersion;
afterEach(() => older.close());

/** Over three real versions; `opened` says which were loaded. */
async function kept(idleMs = 60_000) {
  const store = await someStore();
  for (const salt of [1, 2, 3]) await publishCrowd(store, 'default', salt);
  const opened: string[] = [];
  older = new OlderVersion({
    ...{ store, bank: 'default', idleMs },
    open: (version) => {
      opened.push(version);
      return Serving.open({ store: store.location, bank: 'default', version, threads: 1 }, BATCHES, () => {});
    },
  });
  return opened;
}
const answers = (serving: Serving): Promise<boolean> =>
  serving.find({ ...{ matrix: queries(1), k: 4, exclude: [], neighbours: false, learned: false } }).then(
    () => true,
    () => false,
  );

describe('an older version', () => {
  it('is loaded once for all who ask for it, and gives way to another once nobody holds it', async () => {
    const opened = await kept();
    const [first, second] = await Promise.all([older.take('000001'), older.take('000001')]);
    expect(second).toBe(first);
    first.release();
    const other = await older.take('000002');
    expect(opened).toEqual(['000001', '000002']);
    expect(await answers(first)).toBe(true);
    second.release();
    await until(async () => !(await answers(first)));
    expect(await answers(other)).toBe(true);
    other.release();
  });

  it('stays when one is asked for that there is not', async () => {
    const opened = await kept();
    (await older.take('000001')).release();
    await expect(older.take('000009')).rejects.toMatchObject({ code: 'FB_BANK_VERSION_NOT_FOUND' });
    (await older.take('000001')).release();
    expect(opened).toEqual(['000001']);
  });

  it('is let go when nobody has asked for it for a while, and at the end', async () => {
    await kept(50);
    const first = await older.take('000001');
    first.release();
    await until(() => older.version === undefined);
    expect(await answers(first)).toBe(false);
    const second = await older.take('000002');
    second.release();
    await older.close();
    expect(await answers(second)).toBe(false);
    await expect(older.take('000001')).rejects.toMatchObject({ code: 'FB_STOPPING' });
  });
});
