/** The line page and the large view in a real browser. */
import { mkdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { browserMissing, openBrowser, type Viewport } from '../../rigs/browser.ts';
import { result } from '../../rigs/publisher.ts';
import { frameOf, openStationRig } from '../../rigs/station.ts';
import { until } from '../../rigs/until.ts';
import { addHistory, watched } from './line-history.ts';

const pictures = process.env.QC_TEST_PICTURES ?? join(tmpdir(), 'qc-line-page');
const desktop: Viewport = { width: 1280, height: 800 };
const viewports: Readonly<Record<string, Viewport>> = {
  narrow: { width: 320, height: 640 },
  phone: { width: 390, height: 844 },
  'touch-panel': { width: 1024, height: 768 },
  desktop,
};

/** Screenshots of every size; nothing may extend beyond the right edge, and targets are large enough. */
async function shoot(page: Page, name: string): Promise<void> {
  for (const [device, viewport] of Object.entries(viewports)) {
    await page.setViewportSize(viewport);
    await page.waitForTimeout(150);
    const beyond = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
    expect(beyond, `${name} on a ${device}`).toBeLessThanOrEqual(0);
    await page.screenshot({ path: join(pictures, `${name}-${device}.png`), fullPage: true });
  }
  const small = await page.evaluate<string[]>(
    `[...document.querySelectorAll('button, select, a, summary')].filter((one) => one.offsetHeight > 0 && one.offsetHeight < 44).map((one) => one.textContent.trim() + ' ' + one.offsetHeight)`,
  );
  expect(small).toEqual([]);
}

if (browserMissing) console.warn(`skipped: the line page in a browser: ${browserMissing}`);
describe.skipIf(browserMissing)('the line page in a browser', () => {
  beforeAll(() => mkdir(pictures, { recursive: true }));

  it('shows the rate of the shift, points outside of the limits, defects with images, changes and downtimes', async () => {
    const examples = await Promise.all(
      [1, 2].map(async (n) => {
        const one = result(n);
        return { one, frame: await frameOf(one) };
      }),
    );
    const asked: { label?: string | undefined; verdict?: string | undefined }[] = [];
    await using rig = await openStationRig(
      {},
      {
        evidence: {
          async list(query) {
            asked.push(query);
            return { items: query.label === 'scratch' ? examples.map(({ one }) => one) : [], next: null };
          },
        },
      },
    );
    for (const { one, frame } of examples) rig.recent.add(one, { frame });
    addHistory(rig.statistics);
    const station = watched();
    rig.statistics.watch(station);
    const changes = () => rig.statistics.changes({ from: 0, to: Number.MAX_SAFE_INTEGER });
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    station.facts = { model: '2026-11-30.1', recipe: 'default', mode: 'inspection' };
    station.limits = [{ kind: 'camera', cause: 'camera top', reason: 'no frame for 5 s', stops: true }];
    await until(() => changes().length === 2, { what: 'the change of model' });
    const intervals = () => rig.statistics.downtime({ from: 0, to: Date.now() + 1 }).intervals;
    await until(() => intervals().length === 1, { what: 'the downtime' });

    await using browser = await openBrowser(`${rig.http.url}/`, desktop);
    const { page } = browser;
    await page.getByRole('link', { name: 'Line' }).click();
    await page.getByRole('heading', { name: /^Defect rate: .+ to now$/ }).waitFor();
    const { groups, total, reference } = await rig.statistics.report({ by: 'shift' });
    const current = groups.at(-1)!;
    expect(reference!.judged).toBeGreaterThan(20);
    const percent = (rate: number) => `${(rate * 100).toFixed(1).replace('.0', '')} %`;
    if (current.judged > 0) {
      await until(async () => (await page.locator('.rate-number').innerText()).includes('%'));
      const shownRate = Number((await page.locator('.rate-number').innerText()).replace(' %', ''));
      expect(shownRate).toBeCloseTo(current.rate! * 100, 0);
    }
    await page.getByText(/Counting since/).waitFor();
    await page.locator('#downtime').getByText('no frame for 5 s').waitFor();
    await page.locator('#changes').getByText('Model: 2026-11-23.2 → 2026-11-30.1').waitFor();

    await page.getByRole('button', { name: 'Hour' }).click();
    await page.getByRole('heading', { name: 'Defect rate: Whole time shown' }).waitFor();
    const outside = page.locator('.chart-point[data-outside=above]');
    await until(async () => (await outside.count()) >= 1, { what: 'a point above its limit' });
    await page.locator('.pareto-images img').nth(1).waitFor();
    expect(asked.some(({ label, verdict }) => label === 'scratch' && verdict === 'fail')).toBe(true);
    const link = page.getByRole('link', { name: /^scratch/ });
    expect(await link.getAttribute('href')).toMatch(/^evidence\.html#verdict=fail&label=scratch&from=/);
    await shoot(page, 'line-hours');

    // A point that is clicked becomes the chosen group.
    await page.locator('.chart-hit').last().click();
    await page.getByRole('heading', { name: /^Defect rate: .+ to now$|^Defect rate: .+\d to \d/ }).waitFor();
    await page.getByRole('button', { name: 'Shift' }).click();
    await page.getByRole('heading', { name: /^Defect rate: .+ to now$/ }).waitFor();
    await page.getByRole('combobox', { name: 'Shown' }).selectOption({ label: 'Whole time shown' });
    await until(async () => (await page.locator('.rate-number').innerText()) === percent(total.rate!), {
      what: 'the rate of the week',
    });
    await shoot(page, 'line-shifts');

    const downloading = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Download CSV' }).click();
    const download = await downloading;
    expect(download.suggestedFilename()).toMatch(/^press-3-shift-\d{4}-\d\d-\d\d\.csv$/);
    const [header, ...rows] = (await readFile((await download.path())!, 'utf8')).trimEnd().split('\r\n');
    expect(header).toMatch(/^from,to,name,parts,judged,pass,fail,/);
    const fails = rows.reduce((sum, row) => sum + Number(row.split(',')[6]), 0);
    expect(fails).toBe(total.fail);

    await page.getByRole('button', { name: 'Lot' }).click();
    await page.getByRole('combobox', { name: 'Recipe' }).selectOption('m8-bolt');
    await page.getByRole('heading', { name: /m8-bolt/ }).waitFor();

    await link.first().waitFor();
    expect(browser.foreign).toEqual([]);
    expect(browser.complaints).toEqual([]);
  }, 60_000);

  it('opens the evidence of a defect, filtered', async () => {
    const asked: unknown[] = [];
    await using rig = await openStationRig(
      {},
      {
        evidence: {
          async list(query) {
            asked.push(query);
            return { items: [], next: null };
          },
        },
      },
    );
    rig.statistics.add(result(1, { publishedAt: new Date().toISOString() }));
    await using browser = await openBrowser(`${rig.http.url}/line.html`, desktop);
    const { page } = browser;
    await page.getByRole('link', { name: /^scratch/ }).click();
    await page.getByRole('heading', { name: 'Evidence' }).waitFor();
    await until(() => asked.some((one) => (one as { limit: number }).limit === 60), { what: 'the list' });
    expect(asked.at(-1)).toMatchObject({ label: 'scratch', verdict: 'fail' });
    const { from, to } = asked.at(-1) as { from: number; to: number };
    expect(from).toBeLessThan(to);
    expect(browser.complaints).toEqual([]);
  });

  it('says that nothing was counted yet, and when the agent is gone', async () => {
    const rig = await openStationRig();
    await using browser = await openBrowser(`${rig.http.url}/line.html`, desktop);
    const { page } = browser;
    await page.getByText('No part has been counted yet.').waitFor();
    await page.getByText('No part has failed in this time.').waitFor();
    await shoot(page, 'line-empty');
    await rig[Symbol.asyncDispose]();
    await page.getByText('No connection to the agent.').first().waitFor();
  });
});
