/** The label buttons with 40 labels of about 30 characters: grouped, searched, never cut, with Skip and Undo on the screen. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { browserMissing, openBrowser } from '../../rigs/browser.ts';
import { createCalibrationRig } from '../../rigs/calibration.ts';
import { openStationRig } from '../../rigs/station.ts';
import { until } from '../../rigs/until.ts';
import { button, picture, pictures } from './open-page.ts';

const sides = ['links', 'rechts', 'oben', 'unten'];
const labels = [
  ...Array.from({ length: 36 }, (_, i) => `Kratzer Fläche ${Math.floor(i / 4) + 1} außen ${sides[i % 4]}`),
  'missing thread',
  'Öl',
];
const sizes = {
  desk: { width: 1280, height: 800 },
  panel: { width: 1024, height: 768 },
  phone: { width: 390, height: 844 },
  small: { width: 320, height: 640 },
};

if (browserMissing) console.warn(`skipped: many labels in a browser: ${browserMissing}`);
describe.skipIf(browserMissing)('40 long labels', () => {
  it('are all told apart on every screen, with Skip and Undo in view', async () => {
    const rig = createCalibrationRig({ labels });
    await using station = await openStationRig({}, { calibration: rig });
    await using browser = await openBrowser(`${station.http.url}/calibrate.html`, sizes.desk);
    const { page } = browser;
    await picture(page, rig.waiting[0]!.partId).waitFor();
    mkdirSync(pictures, { recursive: true });
    for (const [device, size] of Object.entries(sizes)) {
      await page.setViewportSize(size);
      await page.screenshot({ path: join(pictures, `many-labels-${device}.png`) });
      const names = await page.evaluate<string[]>(
        "[...document.querySelectorAll('.pick-name')].map((one) => one.textContent)",
      );
      expect(new Set(names)).toEqual(new Set([...labels, 'good', 'scratch', 'dent', 'stain']));
      // What is cut is wider or higher than its box.
      const cut = await page.evaluate<string[]>(
        "[...document.querySelectorAll('.pick, .pick-name')].filter((one) => one.scrollWidth > one.clientWidth + 1 || one.scrollHeight > one.clientHeight + 3).map((one) => one.textContent)",
      );
      expect(cut, device).toEqual([]);
      for (const name of [/Skip/, /Undo/]) {
        const box = await button(page, name).boundingBox();
        expect(box!.y + box!.height, `${name} on ${device}`).toBeLessThanOrEqual(size.height);
      }
    }
  });

  it('are found by typing, and the most used have the number keys', async () => {
    const rig = createCalibrationRig({ labels });
    await using station = await openStationRig({}, { calibration: rig });
    await using browser = await openBrowser(`${station.http.url}/calibrate.html`, sizes.desk);
    const { page } = browser;
    const parts = [...rig.waiting];
    await picture(page, parts[0]!.partId).waitFor();
    expect(await page.locator('.picks-title').allInnerTexts()).toEqual(['Most used', 'Kratzer Fläche']);
    await page.keyboard.press('f');
    await page.keyboard.type('fläche 8 unt');
    await page.getByText('1 label found').waitFor();
    await page.screenshot({ path: join(pictures, 'many-labels-found.png') });
    await page.keyboard.press('Enter');
    await picture(page, parts[1]!.partId).waitFor();
    await page.keyboard.press('1');
    await until(() => rig.arrived.length === 2, { what: 'both labels' });
    expect(rig.arrived.map(({ label }) => label)).toEqual(['Kratzer Fläche 8 außen unten', 'good']);
    // Several labels fit: Enter chooses none of them.
    await page.keyboard.press('f');
    await page.keyboard.type('fläche 8');
    await page.keyboard.press('Enter');
    await page.getByText('4 labels found').waitFor();
    await page.keyboard.press('Escape');
    expect(rig.arrived).toHaveLength(2);
    expect(browser.complaints).toEqual([]);
  });
});
