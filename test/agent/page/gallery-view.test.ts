/** Browsing and checking labelled frames on the calibration page. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { browserMissing } from '../../rigs/browser.ts';
import { createCalibrationRig } from '../../rigs/calibration.ts';
import { until } from '../../rigs/until.ts';
import { button, frame, open, pictures, shoot } from './open-page.ts';

if (browserMissing) console.warn(`skipped: the Gallery and Check tabs in a browser: ${browserMissing}`);
describe.skipIf(browserMissing)('the Gallery and Check tabs in a browser', () => {
  beforeAll(() => mkdir(pictures, { recursive: true }));

  it('relabels and deletes many frames at once in the gallery after one question, and undoes it', async () => {
    const rig = createCalibrationRig({ labelled: 100 });
    await using opened = await open(rig, '#gallery');
    const { page } = opened;
    await until(async () => (await frame(page).count()) === 60, { what: 'the first page' });
    await button(page, /^More/).click();
    await until(async () => (await frame(page).count()) === 100, { what: 'all frames' });
    const [first, , third] = rig.labelled();
    await frame(page).nth(0).click();
    await frame(page)
      .nth(2)
      .click({ modifiers: ['Shift'] });
    await page.getByText('3 selected').waitFor();
    await shoot(page, 'gallery');
    await button(page, 'Relabel …').click();
    await page.getByText('New label for these 3 frames').waitFor();
    await page.screenshot({ path: join(pictures, 'gallery-relabel.png') });
    await page.keyboard.press('3');
    await until(() => rig.asked.length === 1, { what: 'the new labels' });
    const dent = rig.asked[0]!.split(' ').at(-1)!;
    expect(rig.asked[0]).toMatch(/^relabel 3 as /);
    expect(rig.labelled().find(({ id }) => id === third!.id)!.label).toBe(
      rig.labelled().find(({ id }) => id === first!.id)!.label,
    );
    await button(page, new RegExp(`✕ ${dent}`)).click();
    await until(async () => (await frame(page).count()) < 60, { what: 'only dents' });
    const dents = await frame(page).count();
    await page.keyboard.press('Control+a');
    await page.getByText(`${dents} selected`).waitFor();
    await page.keyboard.press('Delete');
    await page.getByText(`Delete ${dents} frames?`).waitFor();
    await button(page, `Delete ${dents}`).click();
    await until(() => rig.labelled().length === 100 - dents, { what: 'the frames to go' });
    await page.getByText(`No frame is labelled ${dent}`).waitFor();
    await page.keyboard.press('z');
    await until(() => rig.labelled().length === 100, { what: 'the frames to come back' });
    await until(async () => (await frame(page).count()) === dents, { what: 'the dents to be shown' });
    await frame(page).nth(1).click();
    await page.locator('#gallery-open').click();
    await page.getByRole('img', { name: /^Labelled/ }).waitFor();
    await page.keyboard.press('w');
    await page.getByRole('img', { name: 'Heat map' }).waitFor();
    await shoot(page, 'gallery-closer');
    expect(opened.complaints).toEqual([]);
  });

  it('renames, merges and deletes a label, and explains the consequences before', async () => {
    const rig = createCalibrationRig();
    await using opened = await open(rig, '#gallery');
    const { page } = opened;
    await until(async () => (await frame(page).count()) === 24, { what: 'the gallery' });
    expect(await button(page, 'Edit label …').isVisible()).toBe(false);
    await button(page, /✕ dent/).click();
    const dents = () => rig.labelled().filter(({ label }) => label === 'dent').length;
    const count = dents();
    await button(page, 'Edit label …').click();
    await shoot(page, 'change-label');
    await page.getByLabel('New name').fill('Delle');
    await button(page, 'Rename …').click();
    await page.getByText('Rename dent to Delle?').waitFor();
    await page.getByText('2026-11-23.1 still says "dent".').waitFor();
    await shoot(page, 'rename-label');
    expect(rig.asked).toEqual([]);
    await button(page, 'Rename').click();
    await button(page, new RegExp(`✕ Delle ${count}`)).waitFor();
    await until(async () => (await frame(page).count()) === count, { what: 'the renamed frames' });
    await button(page, 'Edit label …').click();
    await button(page, 'Merge into scratch …').click();
    await page.getByText('Merge Delle into scratch?').waitFor();
    await page.getByRole('dialog').getByRole('button', { name: 'Merge', exact: true }).click();
    await until(() => rig.asked.at(-1) === 'merge Delle to scratch');
    await button(page, 'Edit label …').click();
    await button(page, 'Delete all its frames …').click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete', exact: true }).click();
    await until(() => rig.asked.at(-1) === 'delete scratch');
    for (const _ of 'zzz') await page.keyboard.press('z');
    await until(() => dents() === count, { what: 'the label to be back' });
    expect(opened.complaints).toEqual([]);
  });

  it('corrects a likely mistake with one key, keeps another, and lists the other findings', async () => {
    const rig = createCalibrationRig();
    const [a, b, c] = rig.labelled();
    rig.findings = [
      {
        kind: 'too-few',
        severity: 'error' as const,
        frames: [],
        text: 'stain has 3, training needs at least 4',
        remedy: 'label 7 more of stain',
      },
      ...[a!, b!].map((one) => ({
        kind: 'likely-mistake',
        severity: 'warning' as const,
        frames: [one.id],
        suggestion: 'scratch',
        text: `${one.label}/${one.id.slice(0, 12)} looks like scratch (0.93)`,
        remedy: 'look at it; if it is scratch, give it that label',
      })),
      {
        kind: 'odd-size',
        severity: 'hint' as const,
        frames: [a!.id, c!.id],
        text: '2 frames are 300 × 260, nearly all others 640 × 480',
        remedy: 'look whether they show the same region of the same part',
      },
    ];
    await using opened = await open(rig, '#doctor');
    const { page } = opened;
    await page.getByText('2 likely mistakes left').waitFor();
    await page.getByRole('img', { name: /looks like scratch/ }).waitFor();
    await shoot(page, 'doctor');
    await page.keyboard.press('Enter');
    await until(() => rig.asked.includes('relabel 1 as scratch'), { what: 'the repair' });
    expect(rig.labelled().find(({ id }) => id === a!.id)!.label).toBe('scratch');
    await page.getByText('The last likely mistake').waitFor();
    await page.getByRole('img', { name: b!.id.slice(0, 12) }).waitFor();
    await page.keyboard.press('k');
    await page.getByText('1 label repaired. 2 problems in 24 frames.').waitFor();
    expect(rig.asked).toEqual(['relabel 1 as scratch']);
    // Undo reverts the answers: first the kept one, then the corrected one.
    await page.keyboard.press('z');
    await page.getByRole('img', { name: b!.id.slice(0, 12) }).waitFor();
    expect(rig.asked).toHaveLength(1);
    await button(page, 'Undo').click();
    await page.getByRole('img', { name: a!.id.slice(0, 12) }).waitFor();
    await until(() => rig.labelled().find(({ id }) => id === a!.id)!.label === a!.label, {
      what: 'the undo',
    });
    expect(opened.complaints).toEqual([]);
  });
});
