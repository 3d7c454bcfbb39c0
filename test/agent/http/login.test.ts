/** The log-in page in a real browser, and the functions of each role; screenshots are saved in a folder. */
import { mkdir, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { browserMissing, openBrowser, type Viewport } from '../../rigs/browser.ts';
import { createCalibrationRig } from '../../rigs/calibration.ts';
import { openStationRig, type StationRig } from '../../rigs/station.ts';
import { makeTokens, type TokenRig } from '../../rigs/tokens.ts';
import { until } from '../../rigs/until.ts';

const pictures = process.env.QC_TEST_PICTURES ?? join(tmpdir(), 'qc-login-page');
const touchPanel: Viewport = { width: 1024, height: 768 };
const phone: Viewport = { width: 390, height: 844 };

let tokens: TokenRig;
let rig: StationRig;
const calibration = createCalibrationRig();

async function logIn(page: Page, token: string): Promise<void> {
  await page.getByLabel('Token').fill(token);
  await page.getByRole('button', { name: 'Log in' }).click();
}
const at = (page: Page, name: string) => page.waitForURL((url) => url.pathname === `/${name}`);
const logOut = (page: Page) => page.getByRole('button', { name: 'Log out' }).click();

if (browserMissing) console.warn(`skipped: the log-in page in a browser: ${browserMissing}`);
describe.skipIf(browserMissing)('the log-in page in a browser', () => {
  beforeAll(async () => {
    await mkdir(pictures, { recursive: true });
    tokens = makeTokens();
    rig = await openStationRig({ tokensFile: tokens.file }, { calibration });
  });
  afterAll(async () => {
    await rig?.[Symbol.asyncDispose]();
    tokens?.[Symbol.dispose]();
  });

  it('returns to the requested page with the role of the token', async () => {
    await using browser = await openBrowser(`${rig.http.url}/calibrate.html#gallery`, touchPanel);
    const { page } = browser;
    await at(page, 'login.html');
    await page.screenshot({ path: join(pictures, 'login.png') });
    await logIn(page, 'qc_nonsense');
    await page.getByText('This token is not valid').waitFor();
    await page.setViewportSize(phone);
    await page.screenshot({ path: join(pictures, 'login-phone.png') });
    await page.setViewportSize(touchPanel);

    // A viewer can only look: no buttons and no keys for changes.
    await logIn(page, tokens.token.viewer);
    await at(page, 'calibrate.html');
    expect(new URL(page.url()).hash).toBe('#gallery');
    await page.getByText('wall · viewer').waitFor();
    await page.getByRole('option').first().waitFor();
    for (const id of ['gallery-relabel', 'gallery-remove', 'gallery-undo']) {
      expect(await page.locator(`#${id}`).isVisible(), id).toBe(false);
    }
    await page.getByRole('link', { name: /^Label/ }).click();
    await page.getByText('You can only view. Log in as an operator to label parts.').waitFor();
    await page.screenshot({ path: join(pictures, 'viewer.png') });
    for (const id of ['mode-switch', 'label-buttons', 'skip', 'undo']) {
      expect(await page.locator(`#${id}`).isVisible(), id).toBe(false);
    }
    const recorded = rig.recorded.length;
    for (const key of ['1', 's', 'z', 'Delete']) await page.keyboard.press(key);
    await page.getByRole('link', { name: /^Train/ }).click();
    await page.getByRole('heading', { name: 'Labelled parts' }).waitFor();
    expect(await page.locator('#train-form').isVisible()).toBe(false);
    await page.getByRole('link', { name: 'History' }).click();
    await page.getByRole('button', { name: 'Report' }).first().waitFor();
    expect(await page.getByRole('button', { name: /Promote|Roll back/ }).count()).toBe(0);
    expect(rig.recorded.length).toBe(recorded);

    await logOut(page);
    await at(page, 'login.html');
    await logIn(page, tokens.token.operator);
    await page.getByText('anna · operator').waitFor();
    await page.goto(`${rig.http.url}/calibrate.html#label`);
    await page.locator('.pick').first().waitFor();
    const part = calibration.waiting[0]!;
    await page.getByRole('img', { name: `Part ${part.partId}` }).waitFor();
    await page.screenshot({ path: join(pictures, 'operator.png') });
    await page.keyboard.press('1');
    await until(() => calibration.arrived.length === 1, { what: 'the label' });
    await until(() => rig.recorded.at(-1)?.action === 'label');
    expect(rig.recorded.at(-1)).toMatchObject({ who: 'token:anna', what: { resultId: part.resultId } });
    expect(browser.foreign).toEqual([]);
    // The browser logs that a wrong token was refused.
    expect(browser.complaints.filter((one) => !/status of 401/.test(one))).toEqual([]);
  });

  it('returns to every page, and to no other site', async () => {
    await using browser = await openBrowser(rig.http.url, touchPanel);
    const { page } = browser;
    const ofPage = await readdir(new URL('../../../../agent/page/', import.meta.url));
    const names = ofPage.filter(
      (name) => name.endsWith('.html') && !['login.html', 'index.html'].includes(name),
    );
    expect(names).toEqual(expect.arrayContaining(['aim.html', 'andon.html', 'evidence.html', 'line.html']));
    for (const name of names) {
      await page.goto('about:blank');
      await page.context().clearCookies();
      await page.goto(`${rig.http.url}/${name}`);
      await at(page, 'login.html');
      await logIn(page, tokens.token.viewer);
      await at(page, name);
    }
    for (const to of ['//127.0.0.1:1/a.html', 'https://127.0.0.1:1/', '../a.html', 'javascript:alert(1)']) {
      await page.goto('about:blank');
      await page.context().clearCookies();
      await page.goto(`${rig.http.url}/login.html?to=${encodeURIComponent(to)}`);
      await logIn(page, tokens.token.viewer);
      await at(page, '');
    }
  });

  it('is opened by a page whose session has ended', async () => {
    await using browser = await openBrowser(rig.http.url, touchPanel);
    const { page } = browser;
    await at(page, 'login.html');
    await logIn(page, tokens.token.operator);
    await page.getByText('anna · operator').waitFor();
    await until(() => rig.watching, { what: 'the events to be followed' });
    await page.screenshot({ path: join(pictures, 'line.png') });
    tokens.write(tokens.line.viewer, tokens.line.engineer);
    await at(page, 'login.html');
    await logIn(page, tokens.token.engineer);
    await page.getByText('kim · engineer').waitFor();
  });
});
