/** The calibration page in a real browser, with calibration played from memory; images go to a folder to look at. */
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Result } from '../../../agent/publish/messages.ts';
import type { CandidateView } from '../../../calibration/views.ts';
import { QcError } from '../../../config/errors.ts';
import { browserMissing, openBrowser, type Viewport } from '../../rigs/browser.ts';
import { type CalibrationRig, createCalibrationRig } from '../../rigs/calibration.ts';
import { result } from '../../rigs/publisher.ts';
import { openStationRig, scratchAt } from '../../rigs/station.ts';
import { until } from '../../rigs/until.ts';

const pictures = process.env.QC_TEST_PICTURES ?? join(tmpdir(), 'qc-calibration-page');
const touchPanel: Viewport = { width: 1024, height: 768 };
const phone: Viewport = { width: 390, height: 844 };

interface Opened extends AsyncDisposable {
  readonly page: Page;
  readonly foreign: readonly string[];
  readonly complaints: readonly string[];
}

async function open(rig: CalibrationRig, hash = '#label', past: readonly Result[] = []): Promise<Opened> {
  const station = await openStationRig({}, { calibration: rig });
  for (const one of past) station.recent.add(one, one.where && { map: scratchAt.map });
  try {
    const browser = await openBrowser(`${station.http.url}/calibrate.html${hash}`, touchPanel);
    const close = async () => {
      await browser[Symbol.asyncDispose]();
      await station[Symbol.asyncDispose]();
    };
    return { ...browser, [Symbol.asyncDispose]: close };
  } catch (error) {
    await station[Symbol.asyncDispose]();
    throw error;
  }
}

/** On the touch panel and on a phone; nothing may lie beyond the right edge. */
async function shoot(page: Page, name: string): Promise<void> {
  for (const [device, viewport] of Object.entries({ phone, 'touch-panel': touchPanel })) {
    await page.setViewportSize(viewport);
    const beyond = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
    expect(beyond, `${name} on a ${device}`).toBeLessThanOrEqual(0);
    await page.screenshot({ path: join(pictures, `${name}-${device}.png`), fullPage: true });
  }
}

const picture = (page: Page, partId: string) => page.getByRole('img', { name: `Part ${partId}` });
const button = (page: Page, name: string | RegExp) => page.getByRole('button', { name });
/** Where the image lies on the screen, px: its box is larger. */
async function shownArea(page: Page, layer = '#look-frame .marks') {
  return page.locator(layer).evaluate((element) => {
    // What the browser is asked knows no types of this project.
    const svg = element as unknown as {
      viewBox: { baseVal: { width: number; height: number } };
      getScreenCTM(): { a: number; e: number; f: number };
    };
    const { a, e, f } = svg.getScreenCTM();
    const { width, height } = svg.viewBox.baseVal;
    return { x: e, y: f, width: a * width, height: a * height };
  });
}
const frame = (page: Page) => page.getByRole('option');

if (browserMissing) console.warn(`skipped: the calibration page in a browser: ${browserMissing}`);
describe.skipIf(browserMissing)('the calibration page in a browser', () => {
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

  it('shows where the head saw a defect, and otherwise why it says so', async () => {
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
    // Marks are made above it.
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

  it('brings a part back by undo, and says beforehand what will be undone', async () => {
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
    // A skip is told to the agent with the next answer only, and can be undone until then.
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

  it('says who was quicker and goes on, and brings back a part whose label was not saved', async () => {
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
    // The image does not change under a finger that is about to press: the part comes back as the next one.
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

  it('corrects a past part that a link names, whoever labelled it before', async () => {
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
    // The image is smaller than its box: a mark lies where the image was tapped, not where the box was.
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
    const panel = page.getByRole('region', { name: 'These 2 images would help most if you mark the defect' });
    await panel.waitFor();
    await panel.scrollIntoViewIfNeeded();
    await page.screenshot({ path: join(pictures, 'marks-wanted.png') });
    await panel.getByText('Labelled scratch, predicted good').first().click();
    const image = await shownArea(page, '.viewer .marks');
    await page.mouse.click(image.x + 0.2 * image.width, image.y + 0.2 * image.height);
    await until(() => rig.asked.at(-1) === 'mark point', { what: 'a mark' });
    await button(page, 'Close').click();
    await page.getByText('This image would help most if you mark the defect').waitFor();
    expect(opened.complaints).toEqual([]);
  });

  it('says what to do when nothing waits, takes a new label, and shows where the head looks', async () => {
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
    // Whatever a label is called, it is text.
    await page.keyboard.press('n');
    await page.keyboard.type('<img src=x>');
    await page.keyboard.press('Enter');
    await page.locator('.pick').getByText('<img src=x>').waitFor();
    expect(opened.complaints).toEqual([]);
  });

  it('relabels and deletes many frames at once in the gallery, asks once, and takes it back', async () => {
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

  it('renames, merges and deletes a label, and says before what follows from it', async () => {
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

  it('repairs a likely mistake by one key, keeps another, and lists the other findings', async () => {
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
    // Undo goes back through the answers: first the one that was kept, then the one that was repaired.
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

  it('leads a newcomer: good parts first, training from ten of them, and what more would promise', async () => {
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

  it('says that the model is of another base, and trains it again with one tap', async () => {
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

  it('trains a candidate, shows how it was judged, tries it in the shadow and promotes it', async () => {
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
    await page.getByText('About 3 of 100 bad parts would pass; very likely fewer than 8.').waitFor();
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

  it('is worked by the keyboard alone, with a focus that can be seen', async () => {
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

  it('says when the agent is gone, labels nothing meanwhile, and comes back by itself', async () => {
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
