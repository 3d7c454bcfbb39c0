/** The operator's page in a real browser with scripted results; screenshots are saved in a folder. */
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Locator } from 'playwright-core';
import { beforeAll, describe, expect, it } from 'vitest';
import type { WhereMapView } from '../../../agent/evidence/where-view.ts';
import type { Result } from '../../../agent/publish/messages.ts';
import { browserMissing, openBrowser, type Viewport } from '../../rigs/browser.ts';
import { result, status } from '../../rigs/publisher.ts';
import { camera, frameOf, openStationRig, type StationRig, scratchAt } from '../../rigs/station.ts';
import { until } from '../../rigs/until.ts';

const pictures = process.env.QC_TEST_PICTURES ?? join(tmpdir(), 'qc-page');
const touchPanel: Viewport = { width: 1024, height: 768 };
const phone: Viewport = { width: 390, height: 844 };

const kinds: Pick<Result, 'verdict' | 'evaluation' | 'label' | 'probability' | 'reasons'>[] = [
  { verdict: 'pass', evaluation: 1, label: 'good', probability: 0.994, reasons: ['good above 0.70'] },
  { verdict: 'pass', evaluation: 1, label: 'good', probability: 0.961, reasons: ['good above 0.70'] },
  {
    verdict: 'uncertain',
    evaluation: 0,
    label: 'dent',
    probability: 0.52,
    reasons: ['dent below 0.60, good below 0.70'],
  },
  { verdict: 'pass', evaluation: 1, label: 'good', probability: 0.988, reasons: ['good above 0.70'] },
  { verdict: 'fail', evaluation: 2, label: 'scratch', probability: 0.982, reasons: ['scratch above 0.60'] },
];

async function judge(
  rig: StationRig,
  sequence: number,
  over: Partial<Result> = {},
  map?: WhereMapView,
): Promise<Result> {
  const kind = kinds[(sequence - 1) % kinds.length]!;
  const rest = 1 - kind.probability!;
  const others = { good: 0.6, scratch: 0.3, stain: 0.1 };
  const probabilities = Object.fromEntries(
    Object.entries(others).map(([label, share]) => [label, share * rest]),
  );
  probabilities[kind.label!] = kind.probability!;
  const draft = result(sequence, { ...kind, probabilities, ...over });
  const one = { ...draft, evidence: `/api/v1/evidence/${draft.resultId}.jpg` };
  rig.recent.add(one, { frame: await frameOf(one), ...(map && { map }) });
  return one;
}

/** Text as displayed, without hidden elements. */
const seen = (locator: Locator) => locator.innerText();

if (browserMissing) console.warn(`skipped: the page in a browser: ${browserMissing}`);
describe.skipIf(browserMissing)('the page in a browser', () => {
  beforeAll(() => mkdir(pictures, { recursive: true }));

  it('shows verdict, image, counts and the latest parts, on a touch panel and a phone', async () => {
    await using rig = await openStationRig();
    for (let i = 1; i <= 9; i++) await judge(rig, i);
    await using browser = await openBrowser(rig.http.url, touchPanel);
    const { page } = browser;
    await until(() => rig.watching);
    await judge(rig, 10);
    await page.getByText('Fail', { exact: true }).first().waitFor();
    const text = (selector: string) => seen(page.locator(selector).first());
    await until(async () => (await text('.part-confidence')) === '98.2 %', { what: 'the confidence' });
    expect(await text('#station-name')).toBe('press-3');
    expect(await text('.verdict')).toMatch(/FAIL\s+.+ · A-10/);
    expect(await text('.verdict-symbol')).toBe('✕');
    expect(await text('.part-label')).toBe('scratch');
    expect(await text('.part-votes')).toBe('3 of 3 agree');
    expect(await text('.part-latency')).toBe('31 ms');
    expect(await text('.part-reasons')).toBe('scratch above 0.60');
    await until(async () => (await text('[data-count=rate] dd')) === '20.0 %', { what: 'the defect rate' });
    await until(async () => (await page.locator('.thumb').count()) === 10, { what: 'ten thumbnails' });
    expect(await page.locator('.thumb').first().getAttribute('aria-label')).toMatch(
      /^Fail: scratch, part A-10/,
    );
    // The region is at its configured place in the whole image.
    const frame = (await page.locator('.scene-frame').boundingBox())!;
    const region = (await page.locator('.scene-region').boundingBox())!;
    expect((region.x - frame.x) / frame.width).toBeCloseTo(0.25, 2);
    expect(region.height / frame.height).toBeCloseTo(0.7, 2);
    await page.screenshot({ path: join(pictures, 'touch-panel.png') });

    // With one camera the page does not scroll.
    await page.setViewportSize({ width: 1280, height: 800 });
    expect(await page.evaluate('document.documentElement.scrollHeight - innerHeight')).toBeLessThanOrEqual(0);
    await page.screenshot({ path: join(pictures, 'panel.png') });

    await page.setViewportSize(phone);
    const overflow = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
    expect(overflow).toBeLessThanOrEqual(0);
    await page.screenshot({ path: join(pictures, 'phone.png'), fullPage: true });
    expect(browser.foreign).toEqual([]);
    expect(browser.complaints).toEqual([]);
  });

  it('shows the place of the defect on the camera image and on the part, and never on another part', async () => {
    await using rig = await openStationRig();
    await using browser = await openBrowser(rig.http.url, touchPanel);
    const { page } = browser;
    await until(() => rig.watching);
    await judge(rig, 1);
    const tools = page.locator('.card-where');
    expect(await tools.isVisible()).toBe(false);
    const { where, region, map } = scratchAt;
    await judge(rig, 5, { where, region }, map);
    await tools.waitFor();
    const box = page.locator('.scene-frame .where-line');
    await box.waitFor();
    const [frame, drawn] = [await page.locator('.scene-frame').boundingBox(), await box.boundingBox()];
    expect((drawn!.x - frame!.x) / frame!.width).toBeCloseTo(where[0]!.x, 2);
    // Including the width of the line.
    expect(drawn!.height / frame!.height).toBeCloseTo(where[0]!.height, 1);
    expect(await page.locator('.where image').count()).toBe(2);
    // The part shows the region only.
    await page.locator('.part-shown .where-line').waitFor();
    const [crop, onPart] = [
      await page.locator('.part-image').boundingBox(),
      await page.locator('.part-shown .where-line').boundingBox(),
    ];
    expect((onPart!.x - crop!.x) / crop!.width).toBeCloseTo((where[0]!.x - region.x) / region.width, 1);
    await page.screenshot({ path: join(pictures, 'where-touch-panel.png') });
    await page.setViewportSize(phone);
    expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0);
    await page.screenshot({ path: join(pictures, 'where-phone.png'), fullPage: true });
    await page.getByRole('button', { name: 'Where' }).click();
    expect(await page.locator('.where-line').count()).toBe(0);
    expect(await page.locator('.where-legend').isVisible()).toBe(false);
    await page.getByRole('button', { name: 'Where' }).click();
    expect(await page.locator('.where-line').count()).toBe(2);
    await judge(rig, 6);
    await until(async () => (await page.locator('.where-line').count()) === 0, { what: 'no box on a pass' });
    expect(browser.complaints).toEqual([]);
  }, 120_000);

  it('shows a camera that is down in large letters, and no verdict', async () => {
    await using rig = await openStationRig();
    rig.cameras = [camera('top'), camera('side', { simulated: true })];
    await using browser = await openBrowser(rig.http.url, touchPanel);
    const { page } = browser;
    await until(() => rig.watching);
    await judge(rig, 1);
    await judge(rig, 2, { camera: 'side' });
    await page.locator('.verdict[data-verdict=pass]').first().waitFor();
    rig.status = status('degraded', ['camera top is down: the stream stalled']);
    rig.cameras = [camera('top', { up: false, reason: 'the stream stalled 4 s ago' }), rig.cameras[1]!];
    const card = page.locator('.card').first();
    await card.locator('.scene-down strong').waitFor();
    expect(await seen(card.locator('.verdict'))).toMatch(/NO VERDICT\s+camera down/);
    expect(await seen(card.locator('.scene-reason'))).toBe('the stream stalled 4 s ago');
    expect(await card.getAttribute('class')).toContain('is-stale');
    expect(await seen(page.locator('#banner'))).toContain('camera top is down');
    expect(await seen(page.locator('#state'))).toContain('Degraded');
    expect(await page.locator('.card').nth(1).getAttribute('class')).not.toContain('is-down');
    await page.screenshot({ path: join(pictures, 'camera-down.png'), fullPage: true });
    await page.setViewportSize({ width: 1600, height: 900 });
    await page.screenshot({ path: join(pictures, 'two-cameras.png') });
    expect(browser.complaints).toEqual([]);
  });

  it('does not show the image of another part next to a part that failed', async () => {
    await using rig = await openStationRig();
    await judge(rig, 1);
    await using browser = await openBrowser(rig.http.url, touchPanel);
    const { page } = browser;
    const isBlank = () =>
      page.evaluate<boolean>(
        `{ const c = document.querySelector('.part-image');
           c.getContext('2d').getImageData(0, 0, c.width, c.height).data.every((v) => v === 0) }`,
      );
    await page.locator('.part-image').waitFor();
    await until(async () => !(await isBlank()), { what: 'the picture of the first part' });
    await until(() => rig.watching);
    rig.recent.add(
      result(2, {
        state: 'failed',
        verdict: 'uncertain',
        evaluation: 0,
        label: null,
        probability: null,
        probabilities: {},
        reasons: ['the camera was lost while the part was in view'],
        votes: { frames: 0, agree: 0 },
      }),
    );
    await page.getByText('the camera was lost while the part was in view').waitFor();
    expect(await seen(page.locator('.part-label'))).toBe('not judged');
    expect(await seen(page.locator('.scene-age'))).toContain('Previous part');
    expect(await seen(page.locator('.part-confidence'))).toBe('–');
    expect(await isBlank()).toBe(true);
    await page.screenshot({ path: join(pictures, 'failed-part.png') });
  });

  it('marks an old image with its age, and reports a lost connection to the agent', async () => {
    const rig = await openStationRig();
    await using browser = await openBrowser(rig.http.url, touchPanel);
    const { page } = browser;
    await page.getByText('waiting for a part').waitFor();
    await page.screenshot({ path: join(pictures, 'waiting.png') });
    await judge(rig, 1, { capturedAt: new Date(Date.now() - 75_000).toISOString() });
    await page.getByText('Old image · 1 min ago').waitFor();
    expect(await seen(page.locator('.verdict'))).toMatch(/PASS\s+1 min ago · A-1/);
    expect(await page.locator('.verdict').getAttribute('class')).toContain('is-old');
    await page.screenshot({ path: join(pictures, 'old.png') });
    const port = Number(new URL(rig.http.url).port);
    await rig[Symbol.asyncDispose]();
    await page.getByText('No connection to the agent.').waitFor();
    expect(await seen(page.locator('.verdict'))).toMatch(/NO VERDICT\s+connection lost/);
    await page.screenshot({ path: join(pictures, 'lost.png') });
    await using again = await openStationRig({ port });
    await until(() => again.watching, { timeoutMs: 20_000, what: 'the page to come back' });
    await page.getByText('Inspecting').waitFor();
  });
});
