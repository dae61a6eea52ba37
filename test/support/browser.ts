import { existsSync } from 'node:fs';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';
import { focusedWords } from './in-page';

const CHROMIUM = '/usr/bin/chromium';

/** Debian's Chromium; null where it is not installed, which is said in one line. */
export async function startBrowser(what: string): Promise<Browser | null> {
  if (!existsSync(CHROMIUM)) {
    process.stdout.write(`skipped: ${what} (no Chromium; scripts/test-deps/chromium.sh installs it)\n`);
    return null;
  }
  // Its sandbox cannot be had as root; the page is our own.
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  return await chromium.launch({ executablePath: CHROMIUM, args: [...args, '--disable-gpu'] });
}

/** A page with everything that it did and that a careful reader would not want. */
export interface WatchedPage {
  readonly page: Page;
  /** Requests to anywhere but the origin. */
  readonly foreign: string[];
  /** Errors and warnings of the console, faults of scripts, violations of the policy. */
  readonly complaints: string[];
}

export async function openPage(browser: Browser, url: string, options: BrowserContextOptions): Promise<WatchedPage> {
  const context = await browser.newContext({ reducedMotion: 'reduce', ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const foreign: string[] = [];
  const complaints: string[] = [];
  const { origin } = new URL(url);
  page.on('request', (request) => {
    const address = request.url();
    if (!address.startsWith(`${origin}/`) && !address.startsWith(`blob:${origin}/`)) foreign.push(address);
  });
  page.on('pageerror', (error) => complaints.push(`fault: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning')
      complaints.push(`${message.type()}: ${message.text()}`);
  });
  await page.goto(url);
  return { page, foreign, complaints };
}

/** Presses Tab until the focus is on what has these words: what is not there yet is met in a later round. */
export async function tabTo(page: Page, words: string): Promise<void> {
  for (const until = Date.now() + 15_000; Date.now() < until;) {
    if ((await page.evaluate(focusedWords)) === words) return;
    await page.keyboard.press('Tab');
  }
  throw new Error(`the Tab key does not lead to ${words}`);
}
