/** The large view in a real browser: verdicts, stops, lost connection, tones. */
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { browserMissing, openBrowser, type Viewport } from '../../rigs/browser.ts';
import { result, status } from '../../rigs/publisher.ts';
import { camera, openStationRig, type StationRig } from '../../rigs/station.ts';
import { until } from '../../rigs/until.ts';
import { addHistory } from './line-history.ts';

const pictures = process.env.QC_TEST_PICTURES ?? join(tmpdir(), 'qc-line-page');
const screen: Viewport = { width: 1280, height: 800 };
const good = { verdict: 'pass', label: 'good', evaluation: 1 } as const;
const level = (page: Page) => page.locator('body').getAttribute('data-level');
const tile = (page: Page) => page.locator('.andon-part').first();
const verdict = (page: Page) => tile(page).getAttribute('data-verdict');

async function shoot(page: Page, name: string): Promise<void> {
  const sizes: Viewport[] = [screen, { width: 3840, height: 2160 }, { width: 1024, height: 768 }];
  for (const viewport of [...sizes, { width: 390, height: 844 }, { width: 320, height: 640 }, screen]) {
    await page.setViewportSize(viewport);
    const beyond = await page.evaluate<number[]>(
      `[...document.querySelectorAll('.andon-main *')].filter((one) => one.scrollWidth > one.clientWidth + 1 && one.clientWidth > 0).map((one) => one.className)`,
    );
    expect(beyond, `${name} at ${viewport.width}`).toEqual([]);
    const scrolls =
      'document.documentElement.scrollWidth > innerWidth || document.documentElement.scrollHeight > innerHeight';
    expect(await page.evaluate(scrolls), `${name} at ${viewport.width}`).toBe(false);
    await page.screenshot({ path: join(pictures, `${name}-${viewport.width}.png`) });
  }
}

/** Records the pitch of each note that the page plays. */
const listen = (page: Page) =>
  page.addInitScript(`window.heard = [];
    window.OscillatorNode = class extends OscillatorNode {
      constructor(context, options) { super(context, options); heard.push(options.frequency); }
    };`);

const judge = (rig: StationRig, sequence: number, over: Parameters<typeof result>[1] = {}) => {
  const now = new Date().toISOString();
  const one = result(sequence, { capturedAt: now, publishedAt: now, ...over });
  rig.statistics.add(one);
  rig.recent.add(one);
};

if (browserMissing) console.warn(`skipped: the large view in a browser: ${browserMissing}`);
describe.skipIf(browserMissing)('the large view in a browser', () => {
  beforeAll(() => mkdir(pictures, { recursive: true }));

  it('shows rate, verdict and state with shape, word and colour, and plays different tones', async () => {
    await using rig = await openStationRig();
    addHistory(rig.statistics, 1);
    await using browser = await openBrowser(`${rig.http.url}/line.html`, screen);
    const { page } = browser;
    await listen(page);
    await page.goto(`${rig.http.url}/line.html`);
    await page.getByRole('link', { name: 'Large view' }).click();
    await until(async () => (await level(page)) === 'inspecting', { what: 'the state' });
    expect(await tile(page).innerText()).toMatch(/–\s+NO PART\s+no part yet/);

    await page.getByRole('button', { name: 'Turn sound on' }).click();
    await until(() => page.evaluate('heard.length === 2'), { what: 'the tone of the button' });
    judge(rig, 1_001, good);
    await until(async () => (await verdict(page)) === 'pass', { what: 'a passed part' });
    await shoot(page, 'andon-pass');
    judge(rig, 1_002);
    await until(async () => (await verdict(page)) === 'fail', { what: 'a failed part' });
    expect(await tile(page).innerText()).toMatch(/✕\s+FAIL\s+scratch, /);
    expect(await page.evaluate('heard')).toEqual([880, 587, 880, 587]);
    await page.getByText(/^\d+ of \d+ parts failed$/).waitFor();
    expect(await page.locator('#rate').innerText()).toMatch(/^[\d.]+ %$/);
    await shoot(page, 'andon-fail');
    // Read from ten metres on a screen 53 cm wide: digits of at least 5 cm.
    const digits = await page.evaluate<number>(
      `parseFloat(getComputedStyle(document.querySelector('#rate')).fontSize) * 0.72 / innerWidth`,
    );
    expect(digits * 53).toBeGreaterThan(4);

    rig.cameras = [camera('top', { up: false, reason: 'no route to host' })];
    await until(async () => (await level(page)) === 'stopped', { what: 'the stop' });
    expect(await verdict(page)).toBe('none');
    expect(await page.getByRole('status').innerText()).toMatch(/■\s+Stopped\s+camera top is down/);
    expect(await page.evaluate('heard.slice(4)')).toEqual([220, 220, 220]);
    await shoot(page, 'andon-stopped');

    await page.getByRole('button', { name: 'Turn sound off' }).click();
    rig.cameras = [camera('top'), camera('side')];
    rig.status = status('degraded', ['broker: refused']);
    await until(async () => (await level(page)) === 'degraded', { what: 'the end of the stop' });
    judge(rig, 1_003, { camera: 'side', verdict: 'uncertain', label: 'dent' });
    await until(async () => (await page.locator('.andon-part[data-verdict=uncertain]').count()) === 1);
    await shoot(page, 'andon-two-cameras');
    judge(rig, 1_004);
    await page.waitForTimeout(300);
    expect(await page.evaluate('heard.length')).toBe(7);
    rig.cameras = [camera('top')];
    rig.status = { ...status('degraded', ['no model has been trained yet']), model: 'none' };
    await until(async () => (await level(page)) === 'stopped', { what: 'a station without a model' });
    expect(browser.complaints).toEqual([]);
    expect(browser.foreign).toEqual([]);
  }, 60_000);

  it('shows nothing as good without an answer, and nothing old as new', async () => {
    const rig = await openStationRig();
    judge(rig, 1, good);
    await using browser = await openBrowser(`${rig.http.url}/andon.html`, screen);
    const { page } = browser;
    await until(async () => (await verdict(page)) === 'pass', { what: 'the part' });
    const port = Number(new URL(rig.http.url).port);
    await rig[Symbol.asyncDispose]();
    await until(async () => (await level(page)) === 'lost', { what: 'the lost connection' });
    expect(await page.locator('[data-verdict=pass]').count()).toBe(0);
    expect(await page.locator('#rate').isVisible()).toBe(false);
    await page.getByText(/^no answer from the agent since /).waitFor();
    await shoot(page, 'andon-lost');
    await using again = await openStationRig({ port });
    judge(again, 2, { ...good, capturedAt: new Date(Date.now() - 180_000).toISOString() });
    await until(async () => (await level(page)) === 'inspecting', { what: 'the connection' });
    await page.getByText('last part 3 min ago').waitFor();
    expect(await verdict(page)).toBe('none');
  }, 60_000);
});
