import { spawnSync } from 'node:child_process';
import { type Browser, chromium } from 'playwright-core';

const PATH = ['chromium', 'chromium-browser', 'google-chrome']
  .map((name) => spawnSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).stdout.trim())
  .find((path) => path !== '');

/** `make test` installs Debian's where it may. */
export const hasChromium = PATH !== undefined;

export const openBrowser = (): Promise<Browser> =>
  // A container's root has no sandbox of Chromium's.
  chromium.launch({ executablePath: PATH!, args: ['--no-sandbox'] });
