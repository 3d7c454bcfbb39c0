/** Labelling parts on the calibration page. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { CandidateView } from '../../../calibration/views.ts';
import { QcError } from '../../../config/errors.ts';
import { browserMissing } from '../../rigs/browser.ts';
import { createCalibrationRig } from '../../rigs/calibration.ts';
import { result } from '../../rigs/publisher.ts';
import { scratchAt } from '../../rigs/station.ts';
import { until } from '../../rigs/until.ts';
import { button, open, picture, pictures, shoot, shownArea, touchPanel } from './open-page.ts';

if (browserMissing) console.warn(`skipped: the Label tab in a browser: ${browserMissing}`);
describe.skipIf(browserMissing)('the Label tab in a browser', () => {
  beforeAll(() => mkdir(pictures, { recursive: true }));

  it('labels 20 parts by number keys, and all arrive in order', async () => {
    const rig = createCalibrationRig();
    const parts = [...rig.waiting];
    await using opened = await open(rig);
    const { page } = opened;
    await picture(page, parts[0]!.partId).waitFor();
    await shoot(page, 'label');
    const labels = ['good', 'good', 'scratch', 'dent'];
    const keys = Object.fromEntries(
      (await page.locator('.pick').allInnerTexts()).map((text) => [
        text.split('\n').at(-2),
        text.split('\n')[0],
      ]),
    );
    for (let i = 0; i < 20; i++) {
      await picture(page, parts[i]!.partId).waitFor();
      await page.keyboard.press(keys[labels[i % 4]!]!);
    }
    await until(() => rig.arrived.length === 20, { what: 'the labels to arrive' });
    expect(rig.arrived).toEqual(
      parts.slice(0, 20).map(({ resultId }, i) => ({ resultId, label: labels[i % 4], ifUnlabelled: true })),
    );
    await page
      .getByText('You labelled 20 since you opened this page · 10 to label · 44 labelled in total')
      .waitFor();
    expect(opened.foreign).toEqual([]);
    expect(opened.complaints).toEqual([]);
  });

  it('shows the place of a defect, and otherwise the reason of the prediction', async () => {
    const rig = createCalibrationRig();
    const [first, second] = rig.waiting;
    const { where, region } = scratchAt;
    const judged = { ...result(5, { where, region }), resultId: first!.resultId };
    await using opened = await open(rig, '#label', [judged]);
    const { page } = opened;
    await picture(page, first!.partId).waitFor();
    await page.keyboard.press('w');
    await page.locator('#look-frame .where image').waitFor({ state: 'attached' });
    expect(await page.locator('.where-line').count()).toBe(1);
    // Marks are drawn above it.
    expect(await page.locator('#look-frame .marks').isVisible()).toBe(true);
    await shoot(page, 'label-where');
    await page.keyboard.press('w');
    expect(await page.locator('.where').count()).toBe(0);
    await page.keyboard.press('s');
    await picture(page, second!.partId).waitFor();
    await page.keyboard.press('w');
    await page.getByText('Warm colours').waitFor();
    expect(opened.complaints).toEqual([]);
  });

  it('returns a part with undo, and states before what will be undone', async () => {
    const rig = createCalibrationRig();
    const [first, second, third] = rig.waiting.map((one) => one.partId) as [string, string, string];
    await using opened = await open(rig);
    const { page } = opened;
    await picture(page, first).waitFor();
    await page.keyboard.press('2');
    await picture(page, second).waitFor();
    await page.locator('#undo').getByText(`label scratch of part ${first}`).waitFor();
    await page.keyboard.press('z');
    await picture(page, first).waitFor();
    await until(() => rig.asked.at(-1) === `undo label scratch of part ${first}`);
    await page.getByText('You labelled 0 since you opened this page').waitFor();
    await page.keyboard.press('1');
    await picture(page, second).waitFor();
    // A skip is sent to the agent with the next answer, and can be undone until then.
    await page.keyboard.press('s');
    await picture(page, third).waitFor();
    await page.keyboard.press('Backspace');
    await picture(page, second).waitFor();
    await page.keyboard.press('Space');
    await picture(page, third).waitFor();
    await page.keyboard.press('1');
    await until(() => rig.asked.includes(`skip ${second}`), { what: 'the skip' });
    expect(rig.asked.filter((one) => one.startsWith('skip'))).toHaveLength(1);
    await until(() => rig.arrived.length === 3);
    expect(opened.complaints).toEqual([]);
  });

  it('reports a label by another person and continues, and returns a part whose label was not saved', async () => {
    const rig = createCalibrationRig();
    const [first, second, third, fourth] = rig.waiting;
    rig.taken = first!.resultId;
    await using opened = await open(rig);
    const { page } = opened;
    await picture(page, first!.partId).waitFor();
    await page.keyboard.press('1');
    await page.getByRole('alert').getByText('kim was quicker and labelled it dent').waitFor();
    await picture(page, second!.partId).waitFor();
    await shoot(page, 'somebody-was-quicker');
    rig.failure = new QcError('dataset-write-failed', 'the disk is full');
    await page.keyboard.press('1');
    await page.getByRole('alert').getByText('the disk is full').waitFor();
    // The current image does not change: the part returns as the next one.
    await picture(page, third!.partId).waitFor();
    await page.keyboard.press('1');
    await picture(page, second!.partId).waitFor();
    await page.getByText('Not saved: the disk is full').waitFor();
    await page.keyboard.press('2');
    await picture(page, fourth!.partId).waitFor();
    await until(() => rig.arrived.length === 4);
    expect(rig.arrived.at(-1)).toMatchObject({ resultId: second!.resultId, label: 'scratch' });
    await page.getByText('You labelled 2 since you opened this page').waitFor();
  });

  it('corrects a past part from a link, also with a label by another person', async () => {
    const rig = createCalibrationRig();
    const { resultId, partId } = rig.waiting[7]!;
    const past = result(7, { resultId, partId });
    await using opened = await open(rig, `#label/${resultId}`, [past]);
    const { page } = opened;
    await page.getByText('You opened this part to fix its label').waitFor();
    expect(new URL(page.url()).hash).toBe('#label');
    await picture(page, partId).waitFor();
    await page.keyboard.press('1');
    await until(() => rig.arrived.length === 1, { what: 'the correction' });
    expect(rig.arrived[0]).toEqual({ resultId, label: 'good', ifUnlabelled: false });
    await picture(page, rig.waiting[0]!.partId).waitFor();
    expect(opened.complaints).toEqual([]);
  });

  it('marks defects by tap, drag and keys, removes them again, and sends them with the label', async () => {
    const rig = createCalibrationRig();
    const [first, second] = rig.waiting as [CandidateView, CandidateView];
    await using opened = await open(rig);
    const { page } = opened;
    await picture(page, first.partId).waitFor();
    // The image is smaller than its box: a mark is at the tapped point of the image, not of the box.
    const image = await shownArea(page);
    const at = (x: number, y: number) => [image.x + x * image.width, image.y + y * image.height] as const;
    const shown = (text: string) => page.locator('#look-marks').getByText(text);
    await page.mouse.click(...at(0.25, 0.5));
    await page.mouse.move(...at(0.5, 0.25));
    await page.mouse.down();
    await page.mouse.move(...at(0.7, 0.4), { steps: 4 });
    await page.mouse.up();
    await shown('2 marks. Tap a mark to remove it.').waitFor();
    for (const key of ['ArrowRight', 'Shift+ArrowDown', 'ArrowLeft', 'Enter']) await page.keyboard.press(key);
    await shown('3 marks.').waitFor();
    await page.setViewportSize({ width: 800, height: 480 });
    await page.screenshot({ path: join(pictures, 'marks-low-screen.png') });
    await page.setViewportSize({ width: 1280, height: 800 });
    await page.screenshot({ path: join(pictures, 'marks-wide-screen.png') });
    await page.setViewportSize(touchPanel);
    // Another tap removes a mark, and undo brings it back.
    await page.mouse.click(...at(0.26, 0.5));
    await shown('2 marks.').waitFor();
    await page.keyboard.press('z');
    await shown('3 marks.').waitFor();
    // A good part has none.
    await page.keyboard.press('1');
    await page.getByRole('dialog').getByText('You marked 3 defects on this part').waitFor();
    await button(page, 'Cancel').click();
    await page.keyboard.press('2');
    await picture(page, second.partId).waitFor();
    await page.getByText('Optional: tap the defect').waitFor();
    await until(() => rig.arrived.length === 1, { what: 'the label' });
    const [sent] = rig.arrived;
    expect(sent).toMatchObject({ resultId: first.resultId, label: 'scratch' });
    const near = (value: number) => expect.closeTo(value, 2);
    expect(sent?.marks).toEqual([
      { kind: 'point', x: near(0.25), y: near(0.5) },
      { kind: 'box', x: near(0.5), y: near(0.25), width: near(0.2), height: near(0.15) },
      { kind: 'point', x: near(0.49), y: near(0.55) },
    ]);
    expect(opened.complaints).toEqual([]);
  });

  it('shows the marks of a labelled frame, and corrects them', async () => {
    const rig = createCalibrationRig();
    const labelled = rig.labelled().find(({ label }) => label === 'scratch')!;
    rig.marked.set(labelled.id, [{ kind: 'point', x: 0.5, y: 0.5 }]);
    await using opened = await open(rig, '#gallery');
    const { page } = opened;
    await page.locator(`[data-id="${labelled.id}"]`).dblclick();
    const viewer = page.getByRole('dialog');
    await viewer.getByText('1 mark.').waitFor();
    const image = await shownArea(page, '.viewer .marks');
    const at = (x: number, y: number) => [image.x + x * image.width, image.y + y * image.height] as const;
    // A tap while looking changes nothing.
    await page.mouse.click(...at(0.2, 0.2));
    await page.keyboard.press('m');
    await page.mouse.click(...at(0.2, 0.2));
    await until(() => rig.asked.at(-1) === 'mark point point', { what: 'two marks' });
    await page.setViewportSize({ width: 800, height: 480 });
    await page.screenshot({ path: join(pictures, 'marks-of-a-frame-low-screen.png') });
    await page.setViewportSize({ width: 1280, height: 800 });
    await page.screenshot({ path: join(pictures, 'marks-of-a-frame.png') });
    await button(page, 'Remove all marks').click();
    await until(() => rig.asked.at(-1) === 'mark nothing', { what: 'no marks' });
    await page.keyboard.press('z');
    await until(() => rig.asked.at(-1) === 'mark point point', { what: 'the marks of before' });
    await button(page, 'Close').click();
    await page.locator(`[data-id="${labelled.id}"] .frame-marked`).waitFor();
    expect(opened.complaints).toEqual([]);
  });

  it('offers the defects that a mark would help most, opened for marking', async () => {
    const rig = createCalibrationRig();
    const [first, second] = rig.labelled().filter(({ label }) => label === 'scratch');
    rig.doubtful = [first!.id, second!.id];
    await using opened = await open(rig, '#label');
    const { page } = opened;
    const panel = page.getByRole('region', {
      name: 'Mark the defects on these 2 images: they improve training most',
    });
    await panel.waitFor();
    await panel.scrollIntoViewIfNeeded();
    await page.screenshot({ path: join(pictures, 'marks-wanted.png') });
    await panel.getByText('Labelled scratch, predicted good').first().click();
    const image = await shownArea(page, '.viewer .marks');
    await page.mouse.click(image.x + 0.2 * image.width, image.y + 0.2 * image.height);
    await until(() => rig.asked.at(-1) === 'mark point', { what: 'a mark' });
    await button(page, 'Close').click();
    await page.getByText('Mark the defect on this image: it improves training most').waitFor();
    expect(opened.complaints).toEqual([]);
  });

  it('explains what to do when no part waits, accepts a new label, and shows the heat map', async () => {
    const rig = createCalibrationRig({ labelled: 0, offered: 0 });
    rig.calibrating = false;
    await using opened = await open(rig);
    const { page } = opened;
    await page.getByText('No parts to label').waitFor();
    await shoot(page, 'label-off');
    const asked = page.waitForRequest((one) => one.url().endsWith('/api/v1/mode'));
    await button(page, 'Switch calibration on').click();
    expect((await asked).postDataJSON()).toEqual({ mode: 'calibration' });
    rig.calibrating = true;
    await page.getByText('Waiting for parts').waitFor();
    rig.offer(2);
    const [part] = rig.waiting;
    await picture(page, part!.partId).waitFor();
    await page.keyboard.press('w');
    await page.getByRole('img', { name: 'Heat map' }).waitFor();
    await shoot(page, 'label-why');
    await page.keyboard.press('w');
    await picture(page, part!.partId).waitFor();
    await page.keyboard.press('n');
    await page.keyboard.type('kratzer 1 s');
    expect(rig.arrived).toEqual([]);
    await page.keyboard.press('Enter');
    await until(() => rig.arrived.length === 1);
    expect(rig.arrived[0]).toEqual({ resultId: part!.resultId, label: 'kratzer 1 s', ifUnlabelled: true });
    await page.locator('.pick').getByText('kratzer 1 s').waitFor();
    // Any label is displayed as text.
    await page.keyboard.press('n');
    await page.keyboard.type('<img src=x>');
    await page.keyboard.press('Enter');
    await page.locator('.pick').getByText('<img src=x>').waitFor();
    expect(opened.complaints).toEqual([]);
  });
});
