import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import axe from 'axe-core';
import type { Browser, Page } from 'playwright-core';
import { expect } from 'vitest';

/** A photo of several people. */
export const sample = (n: number): string =>
  join(
    dirname(createRequire(import.meta.url).resolve('@vladmandic/face-api/package.json')),
    `demo/sample${n}.jpg`,
  );

export interface View {
  readonly page: Page;
  /** What the browser complained of: also what its content security policy refused. */
  readonly complaints: readonly string[];
}

/** A window of its own, with its own cookies. */
export async function openView(
  browser: Browser,
  url: string,
  { width = 1280, height = 900, dark = false } = {},
): Promise<View> {
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: dark ? 'dark' : 'light',
    reducedMotion: 'reduce',
  });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('pageerror', ({ message }) => complaints.push(message));
  page.on('console', (message) => {
    const network = message.text().startsWith('Failed to load resource');
    if (message.type() === 'error' && !network) complaints.push(message.text());
  });
  await page.goto(`${url}/studio/`);
  return { page, complaints };
}

export async function goTo(page: Page, name: string): Promise<void> {
  await page.getByRole('link', { name, exact: true }).click();
  await page.getByRole('heading', { level: 1 }).waitFor();
}

/** Gives the n-th photo input of the page a file. */
export const give = (page: Page, file: string | { name: string; mimeType: string; buffer: Buffer }, n = 0) =>
  page.locator('input[type=file]').nth(n).setInputFiles(file);

/** That axe finds nothing serious, and nothing is wider than the window. */
export async function expectUsable(page: Page): Promise<void> {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate<axe.AxeResults>('axe.run()');
  const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
  expect(serious.map(({ id, nodes }) => `${id}: ${nodes[0]?.html} ${nodes[0]?.failureSummary}`)).toEqual([]);
  expect(await page.evaluate(BEYOND)).toEqual([]);
}

/** Names what makes the page wider than its window. */
const BEYOND = `(() => {
  const { scrollWidth, clientWidth } = document.documentElement;
  if (scrollWidth <= clientWidth) return [];
  const beyond = [...document.querySelectorAll('*')].filter((e) => e.getBoundingClientRect().right > clientWidth);
  return [scrollWidth + ' px', ...beyond.map((e) => e.outerHTML.slice(0, 200))];
})()`;
