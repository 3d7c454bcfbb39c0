/** The Bases tab in a real browser, with bases simulated in memory; screenshots are saved in a folder. */
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { recommending } from '../../rigs/bases-desk.ts';
import { browserMissing, openBrowser } from '../../rigs/browser.ts';
import { createCalibrationRig } from '../../rigs/calibration.ts';
import { openStationRig } from '../../rigs/station.ts';
import { until } from '../../rigs/until.ts';

const pictures = process.env.QC_TEST_PICTURES ?? join(tmpdir(), 'qc-calibration-page');
const sizes = { desk: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } };

if (browserMissing) console.warn(`skipped: the Bases tab in a browser: ${browserMissing}`);
describe.skipIf(browserMissing)('the Bases tab', () => {
  it('lists bases, compares them with progress, explains the result, and switches after a question', async () => {
    await mkdir(pictures, { recursive: true });
    const rig = createCalibrationRig();
    await using station = await openStationRig({}, { calibration: rig });
    await using browser = await openBrowser(`${station.http.url}/calibrate.html#bases`, sizes.desk);
    const { page } = browser;
    const shoot = async (name: string) => {
      for (const [device, viewport] of Object.entries(sizes)) {
        await page.setViewportSize(viewport);
        const beyond = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
        expect(beyond, `${name} on a ${device}`).toBeLessThanOrEqual(0);
        await page.screenshot({ path: join(pictures, `${name}-${device}.png`), fullPage: true });
      }
    };
    await page.getByText('Licence: BSD-3-Clause').waitFor();
    expect(await page.locator('.base-card').count()).toBe(3);
    expect(await page.locator('.base-card[data-used=true] h3').innerText()).toContain('resnet50-embedded');

    await page.getByRole('button', { name: 'Compare the bases' }).click();
    rig.bases.now = { ...rig.bases.now, step: 'resnet50: computing features', done: 30, total: 120 };
    await page.getByText('Resnet50: computing features (30 of 120)').waitFor();
    await shoot('bases-comparing');

    rig.bases.now = { ...rig.bases.now, state: 'done', comparison: recommending };
    await page.getByText('resnet50 is significantly better for these parts').waitFor();
    await page.getByText('no significant difference (+0.8 points').waitFor();
    await page.getByText('dino could not be compared').waitFor();
    await shoot('bases-compared');

    await page.getByRole('button', { name: 'Switch to resnet50 …' }).click();
    await page.getByText('A rollback returns to the old model and its base.').waitFor();
    await shoot('bases-switch');
    expect(rig.asked).not.toContain('switch to resnet50');
    await page.getByRole('button', { name: 'Train on it' }).click();
    await until(() => rig.asked.includes('switch to resnet50'), { what: 'the switch to be asked for' });
    expect(rig.asked).toContain('compare all bases');
    await page.getByRole('button', { name: 'Compare image sizes' }).click();
    await until(() => rig.asked.includes('compare input sizes'), { what: 'the comparison of sizes' });
    expect(browser.complaints).toEqual([]);
    expect(browser.foreign).toEqual([]);
  });

  it('installs a base by name or from a file, with progress, and shows the licence before', async () => {
    await mkdir(pictures, { recursive: true });
    const rig = createCalibrationRig();
    await using station = await openStationRig({}, { calibration: rig });
    await using browser = await openBrowser(`${station.http.url}/calibrate.html#bases`, sizes.desk);
    const { page } = browser;
    await page.getByText('3 bases are offered by name').waitFor();
    const address = page.getByLabel('From a hub: name or address');
    await address.fill('barlowtwins-resnet50');
    await page.getByText('licence CC-BY-NC-4.0, which excludes commercial use').waitFor();
    await page.locator('#install-pull input[type=checkbox]').check();
    await page.getByRole('button', { name: 'Download' }).click();
    await until(() => rig.asked.includes('pull barlowtwins-resnet50 and accept its licence'), {
      what: 'the pull',
    });
    rig.bases.install = {
      ...rig.bases.install,
      step: 'downloading resnet50.pth',
      done: 40e6,
      total: 94.4e6,
      notices: ['the hub answers 503; next attempt in 1.0 s'],
    };
    await page.getByText('Downloading resnet50.pth (40.0 of 94.4 MB)').waitFor();
    expect(await page.getByRole('button', { name: 'Download' }).isDisabled()).toBe(true);
    for (const [device, viewport] of Object.entries(sizes)) {
      await page.setViewportSize(viewport);
      const beyond = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
      expect(beyond, `installing on a ${device}`).toBeLessThanOrEqual(0);
      await page.screenshot({ path: join(pictures, `bases-installing-${device}.png`), fullPage: true });
    }
    rig.bases.install = {
      ...rig.bases.install,
      state: 'failed',
      error: { code: 'download-wrong', message: 'other bytes', remedy: 'pull again' },
    };
    await page.getByText('No base was installed: other bytes — pull again').waitFor();

    const file = {
      name: 'my weights.pth',
      mimeType: 'application/octet-stream',
      buffer: Buffer.alloc(300_000),
    };
    await page.locator('#install-file input[type=file]').setInputFiles(file);
    rig.bases.install = { ...rig.bases.install, state: 'done', error: null, name: 'my-weights' };
    await page.getByRole('button', { name: 'Upload' }).click();
    await page.getByText('my-weights is installed.').waitFor();
    expect(rig.asked).toContain('import my-weights.pth: 300000 of 300000 bytes');
    expect(browser.complaints).toEqual([]);
    expect(browser.foreign).toEqual([]);
  });
});
