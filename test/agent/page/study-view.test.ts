/** An agreement study on the calibration page in a real browser, with real studies on a folder; screenshots are saved. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { Closer } from '../../../agent/lifecycle/closer.ts';
import { openDataset } from '../../../calibration/dataset/dataset.ts';
import { browserMissing, openBrowser } from '../../rigs/browser.ts';
import { result } from '../../rigs/publisher.ts';
import { openRealCalibration } from '../../rigs/real-calibration.ts';
import { frameOf, openStationRig } from '../../rigs/station.ts';
import { until } from '../../rigs/until.ts';
import { button, pictures, shoot, touchPanel } from './open-page.ts';

if (browserMissing) console.warn(`skipped: a study in a browser: ${browserMissing}`);
describe.skipIf(browserMissing)('an agreement study on the page', () => {
  beforeAll(() => mkdir(pictures, { recursive: true }));

  it('is created, answered by the keyboard one image at a time, continued after a reload, and reported', async () => {
    await using opened = new Closer();
    const directory = await mkdtemp(join(tmpdir(), 'qc-study-page-'));
    opened.defer(() => rm(directory, { recursive: true, force: true, maxRetries: 5 }));
    {
      await using dataset = await openDataset(directory, { onNotice: () => undefined });
      for (let n = 1; n <= 8; n++) {
        const verdict = n % 2 ? 'pass' : 'fail';
        const { image } = await frameOf(result(n, { verdict }));
        await dataset.add({ image, label: n % 2 ? 'good' : 'scratch', by: 'kim', partId: `A-${n}` });
      }
    }
    const { calibration } = opened.use(await openRealCalibration(directory));
    const station = opened.use(await openStationRig({}, { calibration }));
    const browser = opened.use(await openBrowser(`${station.http.url}/calibrate.html#study`, touchPanel));
    const { page } = browser;
    await page.getByText('There is no study yet.').waitFor();
    await page.getByLabel('Name', { exact: true }).fill('night shift');
    // Without tokens, everybody is "operator".
    await page.getByLabel(/Log-in names/).fill('operator, ben');
    await page.getByLabel(/Number of parts/).fill('4');
    await page.keyboard.press('Enter');
    await button(page, 'Start').waitFor();
    await shoot(page, 'study-list');
    await button(page, 'Start').click();

    const question = (n: number) =>
      page.getByRole('img', { name: `Part of question ${n}`, exact: true }).waitFor();
    await question(1);
    await shoot(page, 'study-question');
    // Blind: neither label, part, frame nor prediction is on the page or in the answers for it.
    const shown = await page.locator('#view-study').innerHTML();
    expect(shown).not.toMatch(/A-\d|kim|[0-9a-f]{64}|[Pp]redict/);
    await page.keyboard.press('2');
    await question(2);
    await page.reload();
    await question(2);
    await button(page, /scratch/).click();
    for (let n = 3; n <= 8; n++) {
      await question(n);
      await until(() => page.locator('.study-picks button:not([disabled])').count());
      await page.keyboard.press(n === 8 ? '1' : '2');
    }
    await page.getByText('All questions are answered. Thank you.').waitFor();
    await button(page, 'Back to the studies').click();
    await page.getByText('operator: 8 of 8').waitFor();
    expect(await button(page, 'Continue').count()).toBe(0);
    await button(page, 'Report').click();
    await page.getByText('ben has answered 0 of 8 questions and is not counted.').waitFor();
    await page.getByText('3 of 4').first().waitFor();
    await page.getByText('Parts that got different answers').waitFor();
    await until(async () => (await page.locator('.study-disputed img').count()) === 1);
    await shoot(page, 'study-report');
    await page.setViewportSize({ width: 320, height: 640 });
    expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0);
    expect(browser.complaints).toEqual([]);
    const { frames } = await calibration.frames({ limit: 20 }).then(({ items }) => ({ frames: items }));
    expect(frames.every(({ labelledBy }) => labelledBy === 'kim')).toBe(true);
  });
});
