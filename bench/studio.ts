import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { packageRoot } from '../src/config.js';
import { openBrowser } from './support/chromium.js';
import { startServe } from './support/service-start.js';

/** A phone: its window, a processor a quarter as fast, and 9 Mbit/s with 150 ms there and back (what Lighthouse calls a slow 4G's better half). */
const PHONE = { width: 360, height: 740 };
const SLOWDOWN = 4;
const NETWORK = { offline: false, latency: 150, downloadThroughput: 1_125_000, uploadThroughput: 400_000 };
const PATHS = { explorer: '#/', compare: '#/compare', bank: '#/bank' };

/**
 * The studio as a browser on a slow phone gets it (Chromium): bytes of a first visit, when the largest thing is painted, how much
 * moves about, and the longest time that the page does not answer; the bank page with its pictures scrolled through.
 */
export async function benchStudio(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'foilbank-bench-'));
  const main = join(packageRoot(), 'dist', 'src', 'cli', 'main.js');
  spawnSync(process.execPath, [main, '--store', folder, 'bank', 'build', '--size', '2000'], {
    stdio: 'ignore',
  });
  const { child, url } = await startServe(folder);
  const browser = await openBrowser();
  try {
    for (const [name, path] of Object.entries(PATHS))
      console.log(`${name}: ${await visit(browser, `${url}/studio/${path}`)}`);
  } finally {
    await browser.close();
    child.kill();
    rmSync(folder, { recursive: true });
  }
}

const WATCH = `
  globalThis.seen = { lcp: 0, cls: 0, longest: 0, blocked: 0 };
  const watch = (type, each) => new PerformanceObserver((list) => list.getEntries().forEach(each)).observe({ type, buffered: true });
  watch('largest-contentful-paint', (e) => { seen.lcp = e.startTime; });
  watch('layout-shift', (e) => { if (!e.hadRecentInput) seen.cls += e.value; });
  watch('longtask', (e) => { seen.longest = Math.max(seen.longest, e.duration); seen.blocked += e.duration - 50; });`;

async function visit(browser: Browser, address: string): Promise<string> {
  const context = await browser.newContext({ viewport: PHONE });
  const page = await context.newPage();
  const cdp = await context.newCDPSession(page);
  await cdp.send('Emulation.setCPUThrottlingRate', { rate: SLOWDOWN });
  await cdp.send('Network.enable');
  await cdp.send('Network.emulateNetworkConditions', NETWORK);
  let bytes = 0;
  cdp.on('Network.loadingFinished', ({ encodedDataLength }) => {
    bytes += encodedDataLength;
  });
  await page.addInitScript(WATCH);
  await page.goto(address);
  await page.getByRole('heading', { level: 1 }).waitFor();
  await page.waitForTimeout(3000);
  const first = bytes;
  const loaded = await page.evaluate<{ lcp: number; cls: number; longest: number; blocked: number }>('seen');
  await page.evaluate('seen.longest = 0');
  for (let i = 0; i < 20; i++) {
    await page.mouse.wheel(0, 600);
    await page.waitForTimeout(100);
  }
  const scrolled = await page.evaluate<number>('seen.longest');
  await context.close();
  const ms = (value: number) => `${value.toFixed(0)} ms`;
  return `${(first / 1000).toFixed(0)} kB, largest paint ${ms(loaded.lcp)}, shift ${loaded.cls.toFixed(3)}, blocked ${ms(loaded.blocked)} (longest ${ms(loaded.longest)}); scrolling, longest ${ms(scrolled)}`;
}
