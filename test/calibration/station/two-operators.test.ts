/** Two people label at the same time, each in their own browser; screenshots are saved in a folder. */
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { tempFolder } from '../../models/temp-folder.ts';
import { browserMissing, openBrowser } from '../../rigs/browser.ts';
import { openRealCalibration } from '../../rigs/real-calibration.ts';
import { openStationRig } from '../../rigs/station.ts';
import { until } from '../../rigs/until.ts';

const pictures = process.env.QC_TEST_PICTURES ?? join(tmpdir(), 'qc-two-operators');
const panel = { width: 1024, height: 768 };

/** The number of the displayed part; undefined while there is none. */
const partOf = async (page: Page) =>
  (await page
    .getByRole('img', { name: /^Part / })
    .first()
    .getAttribute('alt', { timeout: 100 })
    .catch(() => null)) ?? undefined;
const seesPart = (page: Page, but?: string) =>
  until(
    async () => {
      const part = await partOf(page);
      return part !== undefined && part !== but ? part : undefined;
    },
    { what: 'a part to label', timeoutMs: 15_000 },
  );

async function open(folder: string) {
  const rig = await openRealCalibration(folder);
  const station = await openStationRig({}, { calibration: rig.calibration });
  const client = (name: string) => async (path: string, body?: object) => {
    const response = await fetch(`${station.http.url}/api/v1/${path}`, {
      headers: { 'x-qc-client': name, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { method: 'POST', body: JSON.stringify(body) }),
    });
    return { status: response.status, body: (await response.json()) as never };
  };
  return {
    ...rig,
    client,
    url: `${station.http.url}/calibrate.html`,
    async [Symbol.asyncDispose]() {
      await station[Symbol.asyncDispose]();
      await rig[Symbol.asyncDispose]();
    },
  };
}

interface Listed {
  readonly resultId: string;
  readonly held: boolean;
}

describe('two people who label at the same time', () => {
  it('get different parts, shared evenly, which are offered again when one leaves', async () => {
    await using folder = await tempFolder();
    await using rig = await open(folder.path);
    for (let n = 0; n < 5; n++) rig.judge(n);
    const [anna, ben] = [rig.client('browser-anna'), rig.client('browser-ben')];
    const held = async (who: typeof anna) =>
      ((await who('candidates')).body as Listed[]).filter((one) => one.held).map(({ resultId }) => resultId);
    const first = await held(anna);
    expect(first).toHaveLength(4);
    // A client without an id sees all parts, and none is reserved for it.
    const stranger = ((await rig.client('?')('candidates')).body as Listed[]).map((one) => one.held);
    expect(stranger).toEqual([false, false, false, false, false]);
    expect(await held(ben)).toHaveLength(1);
    // With two clients each has a share, and the part displayed to anna stays hers.
    const annas = await held(anna);
    expect(annas).toEqual(first.slice(0, 2));
    const bens = await held(ben);
    expect(bens).toHaveLength(2);
    expect(annas.filter((one) => bens.includes(one))).toEqual([]);
    expect((await anna('calibration')).body).toMatchObject({ waiting: 5, heldByOthers: 2 });

    expect(await anna('labels', { resultId: annas[0], label: 'good', ifUnlabelled: true })).toMatchObject({
      status: 200,
    });
    expect(await ben('labels', { resultId: annas[0], label: 'dent', ifUnlabelled: true })).toMatchObject({
      status: 409,
      body: { error: { code: 'candidate-gone', message: 'operator has labelled this part good' } },
    });
    expect(await ben('dataset/undo', {})).toMatchObject({
      status: 409,
      body: { error: { code: 'nothing-to-undo' } },
    });
    expect((await ben('calibration')).body).toMatchObject({ undoable: null, frames: 1 });

    const stop = new AbortController();
    const events = await fetch(
      `${rig.url.replace('calibrate.html', 'api/v1/events')}?client=browser-ben&only=labelling`,
      { signal: stop.signal },
    );
    expect(events.status).toBe(200);
    stop.abort();
    await until(
      async () => ((await anna('calibration')).body as { heldByOthers: number }).heldByOthers === 0,
      { what: 'the parts of ben to be free' },
    );
    expect(await held(anna)).toHaveLength(4);
  });
});

if (browserMissing) console.warn(`skipped: two operators in a browser: ${browserMissing}`);
describe.skipIf(browserMissing)('two browsers', () => {
  beforeAll(() => mkdir(pictures, { recursive: true }));

  it("show different parts; a part answered elsewhere is removed; undo reverts only one's own label", async () => {
    await using folder = await tempFolder();
    await using rig = await open(folder.path);
    for (let n = 0; n < 6; n++) rig.judge(n);
    await using one = await openBrowser(rig.url, panel);
    await using two = await openBrowser(rig.url, panel);
    const [left, right] = [one.page, two.page];
    const first = await seesPart(left);
    const other = await seesPart(right);
    expect(other).not.toBe(first);
    await left.keyboard.press('1');
    const second = await seesPart(left, first);
    await until(async () => (await rig.calibration.overview({ by: 'x' })).frames === 1, {
      what: 'the first label',
    });
    await right.keyboard.press('n');
    await right.keyboard.type('dent');
    await right.keyboard.press('Enter');
    await until(async () => (await rig.calibration.overview({ by: 'x' })).frames === 2, {
      what: 'the second label',
    });
    expect(await seesPart(right, other)).not.toBe(second);

    // Undo in the left browser removes its own label; the newer one of the right browser stays.
    await left
      .locator('#undo')
      .getByText(/label good on .*A-.*you/)
      .waitFor();
    await left.screenshot({ path: join(pictures, 'left.png') });
    await right.screenshot({ path: join(pictures, 'right.png') });
    await left.keyboard.press('z');
    await seesPart(left, second);
    expect(await partOf(left)).toBe(first);
    await until(async () => (await rig.calibration.overview({ by: 'x' })).frames === 1, { what: 'the undo' });
    const { labels } = await rig.calibration.overview({ by: 'x' });
    expect(labels.filter(({ count }) => count > 0)).toMatchObject([{ name: 'dent' }]);

    // A label over MQTT for the part displayed in the left browser removes it there.
    const { resultId, partId } = (await rig.calibration.candidates(9, undefined)).find(({ partId }) =>
      first.endsWith(partId),
    )!;
    await rig.calibration.label({ resultId, label: 'scratch' }, { by: 'mqtt' });
    await left.getByText(`Part ${partId} was labelled scratch by mqtt.`).waitFor();
    await seesPart(left, first);
    await left.screenshot({ path: join(pictures, 'answered-elsewhere.png') });
    expect([one.complaints, two.complaints]).toEqual([[], []]);
  }, 90_000);
});
