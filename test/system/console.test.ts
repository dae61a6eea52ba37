import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { openPage, startBrowser, tabTo, type WatchedPage } from '../support/browser';
import * as inPage from '../support/in-page';
import { SERVICE, type Installation } from '../support/installation';
import { deploy, ofKind, standbyReady, startLight } from '../support/installation-story';
import { expectNothingLost } from '../support/installation-users';
import { until } from '../support/poll';
import { removeTemporary } from '../support/temporary';

const PHONE = { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
const DESKTOP = { viewport: { width: 1_280, height: 900 } };
const LEAST_CONTRAST = 4.5;
/** Where somebody wants to look at the pages; they are no part of the test. */
const pictures = process.env['LASTGOOD_TEST_PICTURES'];

let installation: Installation;
let browser: Browser | null;
let address: string;
let token: string;

beforeAll(async () => {
  browser = await startBrowser('the operator console in a browser');
  if (browser === null) return;
  execFileSync(process.execPath, [join(__dirname, '..', '..', 'scripts', 'bundle-console.mjs')]);
  const policy = { detection: { minHistory: '5s', shortWindow: { every: '5s', window: '30s' } } };
  installation = await startLight({ name: 'console', policy });
  await deploy(installation, '1.2');
  const report = JSON.parse(readFileSync(installation.paths.controllerReport, 'utf8')) as {
    api: string;
    tokenFile: string;
  };
  address = `${report.api}/`;
  token = readFileSync(report.tokenFile, 'utf8').trim();
}, 120_000);

afterAll(async () => {
  await browser?.close();
  await installation?.stop();
  removeTemporary();
}, 60_000);

async function signIn(watched: WatchedPage): Promise<void> {
  const { page } = watched;
  await page.getByLabel('Token').fill(token);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Services', level: 1 }).waitFor();
}

async function picture(page: Page, name: string): Promise<void> {
  if (pictures) await page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });
}

/** Fills in the open dialog and sends it, with the keys alone. */
async function give(page: Page, reason: string): Promise<string> {
  await tabTo(page, 'Reason');
  await page.keyboard.type(reason);
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  const outcome = page.locator('dialog .outcome [role]');
  await outcome.waitFor();
  return (await outcome.innerText()).trim();
}

async function readable(page: Page, where: string): Promise<void> {
  const { faint, looked } = await page.evaluate(inPage.faintTexts, LEAST_CONTRAST);
  expect({ where, faint }).toEqual({ where, faint: [] });
  expect(looked).toBeGreaterThan(10);
}

test('an operator pauses, sees a rollback happen, and rolls back by hand, with the keyboard alone', async () => {
  if (browser === null) return;
  const { api } = installation;
  const watched = await openPage(browser, address, { ...DESKTOP, colorScheme: 'light' });
  const { page } = watched;
  // Somebody without a token sees nothing of any service.
  expect(await page.locator('body').innerText()).not.toContain(SERVICE);
  await page.getByLabel('Token').fill('wrong');
  await page.keyboard.press('Enter');
  expect(await page.getByRole('alert').innerText()).toContain('the token is not known here');
  // The browser itself complains of the two answers 401.
  expect(watched.complaints.splice(0).every((line) => line.includes('401'))).toBe(true);
  await signIn(watched);

  await tabTo(page, SERVICE);
  await page.keyboard.press('Enter');
  await page.getByText(`${SERVICE}@1.2`).first().waitFor();
  const traffic = await installation.load({ perSecond: 40 });
  await standbyReady(installation);
  await page.getByText('ready to roll back to 1.1: warm').waitFor();

  // No act without a reason, and none that is only planned.
  await tabTo(page, 'Pause …');
  await page.keyboard.press('Enter');
  expect(await give(page, ' ')).toBe('every act needs a reason, and none was given');
  await page.getByLabel('Reason').fill('');
  expect(await give(page, 'look at it')).toMatch(/^paused until/);
  await page.keyboard.press('Enter');
  await page.getByText(/· paused until/).waitFor();
  const paused = await api.whenState('a pause', ({ pausedUntil }) => pausedUntil);
  expect(paused - Date.now()).toBeGreaterThan(14 * 60_000);
  await tabTo(page, 'Resume …');
  await page.keyboard.press('Enter');
  await give(page, 'looked at');
  await page.keyboard.press('Enter');
  await api.whenState('no pause', ({ pausedUntil }) => pausedUntil === null || pausedUntil < Date.now());

  // A refusal is the decider's own sentence.
  await api.accepted('revoke', { version: '1.0' });
  const { why } = await api.act('rollback', { to: '1.0' });
  await tabTo(page, 'Roll back …');
  await page.keyboard.press('Enter');
  await page.getByRole('combobox', { name: 'To' }).selectOption('1.0');
  expect((await give(page, 'try it')).split(/\n+/)).toEqual([`REFUSED: ${why}`, 'Nothing was done.']);
  // The browser itself says so of the answer 409.
  expect(watched.complaints.splice(0)).toEqual([expect.stringContaining('409')]);
  await page.keyboard.press('Escape');

  // Detection, decision and shift, seen without loading the page again.
  const announced = page.locator('#announced');
  await page.evaluate(inPage.keepAnnouncements);
  await installation.fault('1.2', { status: 500, share: 0.5 });
  await page.getByText(`${SERVICE}@1.1`).first().waitFor({ timeout: 30_000 });
  await until('the words for whoever cannot see it', async () => (await announced.innerText()).includes('1.1 serves'));
  const said = await page.evaluate(inPage.announcements);
  expect(said.some((words) => /acting|degraded/.test(words))).toBe(true);
  const settled = await api.entry('settled', 0, ({ kind }) => kind === 'settled');
  // Answers of 500 are failures and have no class: which of both metrics alarms first is chance, and the other one is explained by it.
  const alarm = page.getByText(/alarm: /).first();
  const chart = page.locator('figure.chart', { has: page.getByText(/alarm: /) }).first();
  await alarm.waitFor().catch(() => undefined);
  expect({ alarm: await alarm.count(), complaints: watched.complaints }).toEqual({ alarm: 1, complaints: [] });
  expect(await chart.locator('.reading').innerText()).toMatch(/upper limit [\d.]+ %/);
  expect(await chart.locator('canvas').evaluate(inPage.inkOf)).toBeGreaterThan(500);
  await readable(page, 'service, light');
  await picture(page, 'service-desktop-light');

  const incident = settled.incident ?? '';
  await page.getByRole('link', { name: incident, exact: true }).first().focus();
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: new RegExp(`${incident}.*1.2 → 1.1`), level: 1 }).waitFor();
  expect(await page.getByRole('heading', { name: 'Which versions could take over' }).count()).toBe(1);
  const kept = page.locator('figure img').first();
  await kept.waitFor();
  expect(await kept.getAttribute('alt')).toContain('Upper limit');
  expect(await kept.evaluate(inPage.widthOf)).toBeGreaterThan(0);
  await readable(page, 'incident, light');
  await picture(page, 'incident-desktop-light');

  // By hand, to a version of one's own choice.
  await installation.importLight({ version: '1.3' });
  await page.goBack();
  await api.whenState('no operation', ({ operation }) => operation === null);
  await page.getByRole('button', { name: 'Roll back …' }).focus();
  await page.keyboard.press('Enter');
  await page.keyboard.type('1.3');
  expect(await page.locator('dialog code').innerText()).toContain(`lastgood rollback ${SERVICE} --to 1.3`);
  const before = await api.ledgerHead();
  const answer = await give(page, 'by hand');
  expect(answer).not.toMatch(/REFUSED/);
  await page.keyboard.press('Enter');
  await page.getByText(`${SERVICE}@1.3`).first().waitFor({ timeout: 30_000 });
  const [decided] = ofKind(await api.ledger(before), 'rollback-decided');
  expect(decided).toMatchObject({ actor: { name: 'api-token', proof: 'token' } });
  expectNothingLost({ ...(await traffic.stop(40)).tally, failed: 0, reasons: {} });
  expect({ foreign: watched.foreign, complaints: watched.complaints }).toEqual({ foreign: [], complaints: [] });
  await page.context().close();
}, 90_000);

test('at 3 a.m. on a phone: nothing goes beyond its edge, everything can be read, and the theme can be chosen', async () => {
  if (browser === null) return;
  const watched = await openPage(browser, address, { ...PHONE, colorScheme: 'dark' });
  const { page } = watched;
  await page.getByLabel('Token').waitFor();
  await readable(page, 'sign in, dark').catch(() => undefined);
  watched.complaints.splice(0);
  await signIn(watched);
  expect(await page.evaluate(inPage.sidewaysPx)).toBeLessThanOrEqual(0);
  await page.getByRole('link', { name: SERVICE }).tap();
  await page.locator('figure.chart canvas').first().waitFor();
  expect(await page.evaluate(inPage.sidewaysPx)).toBeLessThanOrEqual(0);
  await readable(page, 'service, dark');
  await picture(page, 'service-phone-dark');

  await page.getByRole('button', { name: 'Roll back …' }).tap();
  expect(await page.evaluate(inPage.sidewaysPx)).toBeLessThanOrEqual(0);
  await readable(page, 'dialog, dark');
  const box = await page.locator('dialog').boundingBox();
  expect((box?.width ?? 999) + (box?.x ?? 0)).toBeLessThanOrEqual(360);
  if (pictures) await page.screenshot({ path: join(pictures, 'dialog-phone-dark.png') });
  // Small targets are missed by a thumb.
  const buttons = await page.locator('dialog button:visible').evaluateAll(inPage.heightsOf);
  expect(Math.min(...buttons)).toBeGreaterThanOrEqual(44);
  await page.keyboard.press('Escape');

  await page.getByLabel('Colours').selectOption('light');
  expect(await page.evaluate(inPage.groundColour)).toBe('rgb(255, 255, 255)');
  await readable(page, 'service, light by choice');
  await page.locator('.incidents a').first().tap();
  await page.getByRole('heading', { name: 'Everything in its order' }).waitFor();
  expect(await page.evaluate(inPage.sidewaysPx)).toBeLessThanOrEqual(0);
  await picture(page, 'incident-phone-light');
  // The token is in this tab and nowhere else.
  expect(await page.evaluate(inPage.keptTexts)).not.toContain(token);
  expect(await page.context().cookies()).toEqual([]);
  expect({ foreign: watched.foreign, complaints: watched.complaints }).toEqual({ foreign: [], complaints: [] });
  await page.context().close();
}, 60_000);
