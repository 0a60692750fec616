import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import type { Browser, Page } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasChromium, openBrowser } from '../../bench/support/chromium.js';
import { type FileStore, openBank } from '../../src/bank/index.js';
import { writeWhole } from '../../src/files.js';
import { createKey } from '../../src/service/index.js';
import { formatNpy, UnitMatrix } from '../../src/vectors/index.js';
import { foilbank } from '../support/cli.js';
import { crowd } from '../support/crowd.js';
import { temporaryFolder } from '../support/networks.js';
import { type Bench, startService } from '../support/service.js';
import { expectUsable, give, goTo, openView, sample } from '../support/studio.js';
import { noise } from '../support/tiny-models.js';

const pages = fileURLToPath(new URL('../../dist/web/', import.meta.url));
const PATIENCE = { timeout: 20_000 };
let bench: Bench;
let browser: Browser;
let folder: string;
const tokens: Record<string, string> = {};

const cli = async (store: string, ...args: string[]) => {
  const { code, stderr } = await foilbank(args, { env: { FOILBANK_STORE: store } });
  if (code !== 0) throw new Error(stderr);
};

/** Two versions of a small bank of the default networks, the second calibrated on what lies beside its faces. */
async function fill(store: FileStore): Promise<void> {
  await cli(store.location, 'bank', 'build', '--size', '256');
  const { candidates } = await openBank(store, 'default');
  const file = join(folder, 'faces.npy');
  const beside = noise(candidates.embeddings.length, 3, 0.02).map((x, i) => x + candidates.embeddings[i]!);
  const { data } = UnitMatrix.normalise(beside, 128);
  await writeWhole(file, formatNpy({ data, shape: [candidates.seeds.length, 128] }));
  await cli(store.location, 'calibrate', '--embeddings', file);
  const { embeddings, labels } = crowd({ people: 100, photos: 3, dimension: 128, seed: 8 });
  const who = join(folder, 'who.npy');
  await writeWhole(who, formatNpy({ data: embeddings.data, shape: [300, 128] }));
  await writeWhole(`${who}.txt`, labels.join('\n'));
  const groups = [...new Set(labels)].map((name, i) => `${name},${i % 2 ? 'odd' : 'even'}`);
  await writeWhole(join(folder, 'groups.csv'), groups.join('\n'));
  const inputs = ['--embeddings', who, '--groups', join(folder, 'groups.csv')];
  const how = ['--bank', 'default', '--k', '8', '--far', '1e-3', '--splits', '2', '--resamples', '40'];
  await cli(store.location, 'evaluate', ...inputs, ...how, '--attach');
}

async function signedIn(scopes = 'all', look: Parameters<typeof openView>[2] = {}) {
  const view = await openView(browser, bench.service.url, look);
  await signIn(view.page, tokens[scopes]!);
  await view.page.getByRole('heading', { name: 'Explorer' }).waitFor();
  return view;
}

/** Pictures are asked for once they come near the window. */
async function firstFoil(page: Page): Promise<void> {
  await page.locator('.foils li').first().scrollIntoViewIfNeeded();
  await page.locator('.foils img').first().waitFor();
}

async function signIn(page: Page, token: string): Promise<void> {
  await page.getByLabel('API key').fill(token);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

describe.skipIf(!hasChromium)('the studio', { timeout: 90_000 }, () => {
  beforeAll(async () => {
    folder = await temporaryFolder();
    const file = join(folder, 'keys.json');
    for (const [name, scopes] of [
      ['all', ['read', 'score', 'admin']],
      ['guest', ['read', 'score']],
    ] as const)
      tokens[name] = (await createKey(file, { name, scopes: [...scopes] })).token;
    bench = await startService(fill, { keys: async () => file, overrides: { studio: pages } });
    browser = await openBrowser();
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    await bench?.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('asks for a key, says why one is refused, and keeps it nowhere', async () => {
    const { page, complaints } = await openView(browser, bench.service.url);
    await signIn(page, 'fbk_nobody.nothing');
    await page.getByRole('alert').getByText(/key/i).waitFor();
    await expectUsable(page);
    await signIn(page, tokens.all!);
    await page.getByRole('heading', { name: 'Explorer' }).waitFor();
    const kept = await page.evaluate<string>(
      'JSON.stringify([{ ...localStorage }, { ...sessionStorage }, location.href, document.cookie])',
    );
    expect(kept).not.toContain(tokens.all!.slice(0, 12));
    expect((await page.context().cookies()).map(({ httpOnly, sameSite }) => [httpOnly, sameSite])).toEqual([
      [true, 'Strict'],
    ]);
    // A page that is loaded again goes on with its session, until it is ended.
    await page.reload();
    await page.getByRole('heading', { name: 'Explorer' }).waitFor();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('API key').waitFor();
    await page.reload();
    await page.getByLabel('API key').waitFor();
    expect(complaints).toEqual([]);
  });

  it('shows who comes close to a face, and moves with K, the face chosen and the version', async () => {
    const { page, complaints } = await signedIn();
    await give(page, sample(1));
    await firstFoil(page);
    const r = () => page.locator('.figures dd').first().textContent();
    const first = await r();
    await expectUsable(page);
    // By keyboard alone: K, then another face, then the version before.
    await page.getByRole('slider').focus();
    await page.keyboard.press('Home');
    await expect.poll(r, PATIENCE).not.toBe(first);
    const nearest = await r();
    await page.getByRole('radio').first().focus();
    await page.keyboard.press('ArrowRight');
    await expect.poll(r, PATIENCE).not.toBe(nearest);
    const second = await r();
    await page.getByLabel(/^Version of/).selectOption('000001');
    await expect.poll(r, PATIENCE).not.toBe(second);
    expect(complaints).toEqual([]);
  });

  it('says what is wrong with a photo, and takes a crop as a whole', async () => {
    const { page } = await signedIn();
    const flat = await sharp({ create: { width: 200, height: 200, channels: 3, background: '#889' } })
      .png()
      .toBuffer();
    await give(page, { name: 'flat.png', mimeType: 'image/png', buffer: flat });
    await page.getByText('No face was found').waitFor();
    await page.getByRole('button', { name: /whole picture/ }).click();
    await page.locator('.figures').waitFor();
    await give(page, { name: 'notes.png', mimeType: 'image/png', buffer: Buffer.from('no image at all') });
    await page.getByText('FB_PHOTO_NOT_AN_IMAGE', { exact: true }).waitFor();
    // What no second try would mend offers none.
    expect(await page.getByRole('button', { name: 'Try again' }).count()).toBe(0);
    await give(page, { name: 'none.jpg', mimeType: 'image/jpeg', buffer: Buffer.alloc(0) });
    await page.getByText('none.jpg is empty').waitFor();
    await give(page, { name: 'huge.png', mimeType: 'image/png', buffer: Buffer.alloc(17 << 20) });
    await page.getByText('The server takes no file so large').waitFor();
    await give(page, {
      name: 'small.jpg',
      mimeType: 'image/jpeg',
      buffer: await sharp(sample(1)).resize(300).jpeg().toBuffer(),
    });
    await page.getByText(/pixels small/).waitFor();
  });

  it('compares two photos, and says why the score moved', async () => {
    const { page, complaints } = await signedIn('all', { dark: true });
    await goTo(page, 'Compare');
    await give(page, sample(1), 0);
    await give(page, sample(1), 1);
    await page.getByRole('heading', { name: 'The same person' }).waitFor();
    await page.getByText(/this pair needs/).waitFor();
    await expectUsable(page);
    await give(page, sample(5), 1);
    await page.getByRole('heading', { name: 'Different people' }).waitFor();
    await page.getByText('it has less: different people').waitFor();
    await firstFoil(page);
    expect(complaints).toEqual([]);
  });

  it('shows every candidate and version of a bank, and puts one back only when told twice', async () => {
    const { page, complaints } = await signedIn();
    await goTo(page, 'Bank');
    await page.locator('.histogram').first().waitFor();
    await firstFoil(page);
    await expectUsable(page);
    const wanted = page.getByRole('spinbutton', { name: /^Page/ });
    for (const [asked, shown] of [
      ['0', '1'],
      ['99', '2'],
      ['1.7', '1'],
      ['2', '2'],
    ] as const) {
      await wanted.fill(asked);
      await page.keyboard.press('Enter');
      expect(await wanted.inputValue()).toBe(shown);
    }
    await page.getByLabel('Candidates, page 2 of 2').locator('img').first().waitFor();
    const rows = page.getByRole('row');
    await rows.filter({ hasText: '000001' }).getByRole('button', { name: 'Pin' }).click();
    await rows.filter({ hasText: '000001' }).getByText('pinned').waitFor();
    await page.getByRole('button', { name: 'Put into service' }).click();
    await page.getByRole('dialog').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    expect(await rows.filter({ hasText: '000001' }).getByText('in service').count()).toBe(0);
    await page.getByRole('button', { name: 'Put into service' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Put into service' }).click();
    await rows.filter({ hasText: '000001' }).getByText('in service').waitFor();
    expect(complaints).toEqual([]);
  });

  it('shows what an evaluation said of the version, and how it is to be had for another', async () => {
    const { page, complaints } = await signedIn();
    await goTo(page, 'Bank');
    await page.getByRole('button', { name: '000002' }).click();
    await page.getByText('300 photos of 100 people').waitFor();
    const rates = page.getByRole('table', { name: /^True accepts where/ });
    await rates.getByRole('row', { name: /recommended by the version/ }).waitFor();
    expect(await rates.getByRole('columnheader').allTextContents()).toEqual([
      ...['score', '1 in 100', '1 in 1,000', '1 in 10,000', '1 in 100,000', '1 in 1,000,000', 'equal errors'],
    ]);
    expect(await rates.getByRole('row', { name: /^raw similarity/ }).textContent()).toMatch(/\d+\.\d %/);
    await page.getByRole('table', { name: /^False matches inside each group/ }).waitFor();
    await page.getByRole('table', { name: /2 random halvings/ }).waitFor();
    await page.locator('figure canvas').first().waitFor();
    await expectUsable(page);
    // By keyboard: what is folded, then the other version, which nobody evaluated.
    await page.getByText('thresholds, identification').focus();
    await page.keyboard.press('Enter');
    await page.getByRole('table', { name: /^Thresholds/ }).waitFor();
    await expectUsable(page);
    await page.getByRole('button', { name: '000001' }).click();
    await page.getByText('foilbank evaluate photos/ --bank default --attach').waitFor();
    expect(complaints).toEqual([]);
  });

  it('says what jobs need where there is no Redis, and to whom they are open', async () => {
    const { page } = await signedIn();
    await goTo(page, 'Jobs');
    await page.getByText('FB_REDIS_UNSET', { exact: true }).first().waitFor();
    await expectUsable(page);
    const guest = await signedIn('guest');
    await goTo(guest.page, 'Jobs');
    await guest.page.getByText('scope admin').waitFor();
    await goTo(guest.page, 'Bank');
    await guest.page.getByRole('row').nth(1).waitFor();
    expect(await guest.page.getByRole('button', { name: /^(Pin|Put into service)$/ }).count()).toBe(0);
  });

  it.each([
    [360, 740],
    [3840, 2160],
  ])('fits into %i × %i', async (width, height) => {
    const { page } = await signedIn('all', { width, height, dark: width > 1000 });
    for (const name of ['Compare', 'Bank', 'Jobs', 'Explorer']) {
      await goTo(page, name);
      await expectUsable(page);
    }
    await give(page, sample(5));
    await firstFoil(page);
    await expectUsable(page);
  });

  it('is reached by keyboard from the top of the page', async () => {
    const { page } = await signedIn();
    await page.reload();
    await page.getByRole('heading', { name: 'Explorer' }).waitFor();
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.textContent.trim()')).toBe('To the content');
    await page.keyboard.press('Enter');
    expect(await page.evaluate('document.activeElement.id')).toBe('content');
  });

  it('loads at most 150 kB of compressed script', async () => {
    const html = await readFile(join(pages, 'index.html'), 'utf8');
    const named = (await readdir(join(pages, 'assets'))).filter(
      (name) => html.includes(name) && name.endsWith('.js'),
    );
    const sizes = await Promise.all(
      named.map(async (name) => gzipSync(await readFile(join(pages, 'assets', name))).length),
    );
    expect(sizes.length).toBeGreaterThan(0);
    expect(sizes.reduce((a, b) => a + b)).toBeLessThan(150_000);
  });
});
