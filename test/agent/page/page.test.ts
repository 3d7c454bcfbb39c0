/** The calibration page as a whole: keyboard, lost connection. */
import { mkdir } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { browserMissing, openBrowser } from '../../rigs/browser.ts';
import { createCalibrationRig } from '../../rigs/calibration.ts';
import { openStationRig } from '../../rigs/station.ts';
import { until } from '../../rigs/until.ts';
import { frame, open, picture, pictures, shoot, touchPanel } from './open-page.ts';

if (browserMissing) console.warn(`skipped: the calibration page in a browser: ${browserMissing}`);
describe.skipIf(browserMissing)('the calibration page in a browser', () => {
  beforeAll(() => mkdir(pictures, { recursive: true }));

  it('can be used by the keyboard alone, with a visible focus', async () => {
    const rig = createCalibrationRig();
    await using opened = await open(rig);
    const { page } = opened;
    await picture(page, rig.waiting[0]!.partId).waitFor();
    const focused = () => page.evaluate<string>('document.activeElement.textContent.trim()');
    const tabTo = async (words: string) => {
      for (let i = 0; i < 60 && !(await focused()).startsWith(words); i++) await page.keyboard.press('Tab');
      expect(await focused()).toContain(words);
      expect(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle')).toBe('solid');
    };
    await tabTo('Gallery');
    await page.keyboard.press('Enter');
    await until(async () => (await frame(page).count()) === 24, { what: 'the gallery' });
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('Space');
    await page.keyboard.press('Shift+ArrowDown');
    await until(async () => (await page.locator('[aria-selected=true]').count()) > 2, { what: 'a range' });
    await tabTo('Relabel');
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    await page.keyboard.press('1');
    await until(() => rig.asked[0]?.startsWith('relabel') === true);
    await page.reload();
    await tabTo('Train');
    await page.keyboard.press('Enter');
    await tabTo('Train a new model');
    await page.keyboard.press('Enter');
    await until(() => rig.asked.includes('train {}'));
    await tabTo('Cancel training');
    await page.keyboard.press('Space');
    await page.getByText('Training was cancelled. Nothing was changed.').waitFor();
    expect(opened.complaints).toEqual([]);
  });

  it('reports a lost connection, labels nothing meanwhile, and reconnects automatically', async () => {
    const rig = createCalibrationRig();
    const station = await openStationRig({}, { calibration: rig });
    await using browser = await openBrowser(`${station.http.url}/calibrate.html`, touchPanel);
    const { page } = browser;
    const { partId } = rig.waiting[0]!;
    await picture(page, partId).waitFor();
    await page.getByText('press-3').waitFor();
    const port = Number(new URL(station.http.url).port);
    await station[Symbol.asyncDispose]();
    await page.getByText('No connection to the agent.').waitFor();
    await page.keyboard.press('1');
    await shoot(page, 'lost');
    await using _again = await openStationRig({ port }, { calibration: rig });
    await page.getByText('No connection to the agent.').waitFor({ state: 'hidden' });
    await picture(page, partId).waitFor();
    expect(rig.arrived).toEqual([]);
    await page.keyboard.press('1');
    await until(() => rig.arrived.length === 1, { what: 'the label' });
  });
});
