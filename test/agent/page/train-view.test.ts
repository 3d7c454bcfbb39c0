/** Training and versions on the calibration page. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { browserMissing } from '../../rigs/browser.ts';
import { createCalibrationRig } from '../../rigs/calibration.ts';
import { until } from '../../rigs/until.ts';
import { button, open, picture, pictures, shoot } from './open-page.ts';

if (browserMissing) console.warn(`skipped: the Train and History tabs in a browser: ${browserMissing}`);
describe.skipIf(browserMissing)('the Train and History tabs in a browser', () => {
  beforeAll(() => mkdir(pictures, { recursive: true }));

  it('guides a new user: good parts first, training from ten of them, and the effect of more', async () => {
    const rig = createCalibrationRig({ labelled: 9, isNew: true });
    await using opened = await open(rig);
    const { page } = opened;
    await page.getByText('9 of 30').waitFor();
    await page.getByText('Training needs 10 good parts: 1 more.').waitFor();
    expect(await button(page, 'Train and use it').isVisible()).toBe(false);
    await picture(page, rig.waiting[0]!.partId).waitFor();
    await page.keyboard.press('1');
    await page.getByText('10 of 30').waitFor();
    await page
      .locator('#good-start')
      .getByText(
        '10 good parts are enough to expect at most 26 % of good parts to be uncertain; 19 more would lower this to 10 %.',
      )
      .waitFor();
    await shoot(page, 'good-parts-first');
    await button(page, 'Train and use it').click();
    await until(() => rig.asked[0] === 'train {"promote":true}', { what: 'training' });
    expect(opened.complaints).toEqual([]);
  });

  it('reports that the model is of another base, and trains it again with one tap', async () => {
    const rig = createCalibrationRig();
    rig.misfit =
      'model version 2026-11-23.1 was trained on the base old (435e05c66783…), the base in use is new (33fa3752a311…)';
    await using opened = await open(rig);
    const { page } = opened;
    await page.getByText('the base in use is new').waitFor();
    await shoot(page, 'another-base');
    await button(page, 'Train again and use it').click();
    await until(() => rig.asked[0] === 'train {"promote":true}', { what: 'training' });
    await page.getByText('It is being trained').waitFor();
    expect(await button(page, 'Train again and use it').isDisabled()).toBe(true);
    rig.misfit = null;
    rig.finish();
    await page.getByText('the base in use is new').waitFor({ state: 'hidden' });
    expect(opened.complaints).toEqual([]);
  });

  it('trains a candidate, shows its scores, tries it on live parts and promotes it', async () => {
    const rig = createCalibrationRig();
    const [part] = rig.waiting;
    rig.estimate = {
      escapes: { rate: 0.05, low: 0.001, high: 0.249, wrong: 1, of: 20 },
      falseRejects: { rate: 0.01, low: 0.0003, high: 0.054, wrong: 1, of: 100 },
      corrections: 2,
    };
    await using opened = await open(rig, '#train');
    const { page } = opened;
    await page.getByText('Settings (optional)').click();
    await page.getByLabel('How parts lie').selectOption('flips');
    await page.getByLabel('Bad parts that may pass').fill('2');
    await shoot(page, 'train');
    await button(page, 'Train a new model').click();
    await until(() => rig.asked[0] === 'train {"views":"flips","escapeRate":0.02}', { what: 'training' });
    rig.advance('describing the images', 12, 24);
    await page.getByText('Describing the images (12 of 24)').waitFor();
    await page.reload();
    await page.getByText('Describing the images (12 of 24)').waitFor();
    await shoot(page, 'train-running');
    rig.finish();
    await page.getByText('Better than the active model').waitFor();
    await page
      .getByText('1 of the 32 bad parts would pass: about 3 of 100 such parts, possibly up to 8.')
      .waitFor();
    await page.getByText('1 image cannot be read and was left out').waitFor();
    expect(await page.getByRole('row', { name: /^scratch 1 12 0 0/ }).count()).toBe(1);
    expect(await page.getByText(/^Labelled .*, predicted .* \(97 %\)/).count()).toBe(2);
    await shoot(page, 'report');
    await button(page, /Run in shadow mode/).click();
    await until(() => rig.asked.includes('shadow 2026-11-24.1'));
    rig.shadowed = {
      version: '2026-11-24.1',
      judged: 120,
      disagreements: 1,
      newest: [
        {
          resultId: part!.resultId,
          camera: 'top',
          active: 'pass',
          activeLabel: 'good',
          shadow: 'fail',
          shadowLabel: 'scratch',
        },
      ],
    };
    await page.getByText('It judged 120 parts. It disagreed with the active model on 1.').waitFor();
    await shoot(page, 'shadow');
    await button(page, 'Promote …').click();
    const question = page.getByRole('dialog');
    await question.getByText('It replaces 2026-11-23.1 from the next part on.').waitFor();
    await question.getByText('not trained on: 96.7 %; 2026-11-23.1 had 93.0 %').waitFor();
    await shoot(page, 'promote');
    expect(rig.asked.filter((one) => one.startsWith('promote'))).toEqual([]);
    await question.getByRole('button', { name: 'Cancel' }).click();
    await button(page, 'Promote …').click();
    await question.getByRole('button', { name: 'Promote' }).click();
    await until(() => rig.asked.includes('promote 2026-11-24.1'), { what: 'the promotion' });
    await page.getByText('active model 2026-11-24.1').waitFor();
    expect(opened.complaints).toEqual([]);
  });

  it('promotes a candidate that the gate refuses only with a reason', async () => {
    const rig = createCalibrationRig();
    rig.gate = { allowed: false, reason: 'it is worse: of 61 parts it gets 1 right and 4 wrong' };
    await using opened = await open(rig, '#train');
    const { page } = opened;
    await button(page, 'Train a new model').click();
    await until(() => rig.asked.length === 1);
    rig.finish();
    await page.getByText('Not shown to be as good as the active model').waitFor();
    await page.getByText('It is worse: of 61 parts').first().waitFor();
    expect(await button(page, 'Promote …').isVisible()).toBe(false);
    await page.getByText('Override as engineer').click();
    await shoot(page, 'refused');
    await button(page, 'Promote anyway').click();
    expect(rig.asked).toHaveLength(1);
    await page.getByLabel('Reason for the override').fill('new lamp, the old parts look different');
    await button(page, 'Promote anyway').click();
    await until(() => rig.asked[1] === 'promote 2026-11-24.1 because new lamp, the old parts look different');
    expect(opened.complaints).toEqual([]);
  });

  it('lists the versions, opens a report, rolls back, and promotes an older one', async () => {
    const rig = createCalibrationRig();
    await using opened = await open(rig, '#history');
    const { page } = opened;
    await page.getByText('Active model: 2026-11-23.1').waitFor();
    await shoot(page, 'history');
    await page.locator('.version').nth(1).getByRole('button', { name: 'Report' }).click();
    await page.getByRole('heading', { name: 'Confusion matrix' }).waitFor();
    await page.screenshot({ path: join(pictures, 'history-report.png') });
    await page.keyboard.press('Escape');
    await button(page, 'Roll back to 2026-11-22.1').click();
    const question = page.getByRole('dialog');
    await question.getByText('From the next part on, 2026-11-22.1 replaces 2026-11-23.1.').waitFor();
    await question.getByLabel('Reason').fill('too many good parts fail');
    await shoot(page, 'rollback');
    await question.getByRole('button', { name: 'Roll back' }).click();
    await page.getByText('Active model: 2026-11-22.1').waitFor();
    expect(rig.asked).toEqual(['roll back to 2026-11-22.1']);
    await page.getByText(/rolled back to this version by operator: too many good parts fail$/).waitFor();
    await button(page, 'Promote …').click();
    await question.getByRole('button', { name: 'Promote' }).click();
    await page.getByText('Active model: 2026-11-23.1').waitFor();
    await page.getByText(/promoted by operator$/).waitFor();
    await shoot(page, 'history-decisions');
    expect(opened.complaints).toEqual([]);
  });
});
