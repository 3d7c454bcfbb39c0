/** The challenge test on the live page in a real browser; screenshots are saved in a folder. */
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { ChallengeView } from '../../../agent/publish/messages.ts';
import { browserMissing, openBrowser } from '../../rigs/browser.ts';
import { result } from '../../rigs/publisher.ts';
import { failure, frameOf, openStationRig } from '../../rigs/station.ts';
import { until } from '../../rigs/until.ts';

const pictures = process.env.QC_TEST_PICTURES ?? join(tmpdir(), 'qc-page');
const sizes = {
  small: [320, 640],
  phone: [390, 844],
  'touch-panel': [1024, 768],
  wide: [1280, 800],
} as const;

const deadline = '2026-11-30T06:15:00.000Z';
const expected = {
  camera: 'top',
  recipe: 'default',
  part: 'bad',
  step: 1,
  steps: 2,
  waitsForPlaced: false,
  remark: '',
} as const;
const views: Readonly<Record<string, ChallengeView>> = {
  due: { state: 'due', reason: '', deadline },
  bad: { state: 'running', reason: '', deadline, expected },
  again: {
    state: 'running',
    reason: '',
    deadline,
    expected: { ...expected, part: 'good', step: 2, waitsForPlaced: true, remark: 'the image is old' },
  },
  failed: {
    state: 'failed',
    reason: 'the challenge test failed, repeat it: camera top: a part known to be bad would have passed',
  },
  passed: { state: 'passed', reason: '', passedAt: '2026-11-30T06:05:00.000Z' },
};

if (browserMissing) console.warn(`skipped: the challenge test in a browser: ${browserMissing}`);
describe.skipIf(browserMissing)('the challenge test on the live page', () => {
  beforeAll(() => mkdir(pictures, { recursive: true }));

  it('is started by a button, asks for each part, and stands above the cameras while something must be done', async () => {
    await using rig = await openStationRig();
    rig.recent.add(result(1), { frame: await frameOf(result(1)) });
    await using browser = await openBrowser(rig.http.url, { width: 1024, height: 768 });
    const { page } = browser;
    const panel = page.locator('#challenge');
    const button = (name: string) => panel.getByRole('button', { name });
    const says = (text: string) => panel.getByText(text).waitFor();
    const isFirst = () =>
      panel.evaluate('document.querySelector("main").firstElementChild.id === "challenge"');
    await says('No challenge test is due');
    expect(await isFirst()).toBe(false);
    await button('Start the challenge test').focus();
    await page.keyboard.press('Enter');
    await until(() => rig.triggered.length === 1, { what: 'the command' });
    for (const [name, view] of Object.entries(views)) {
      rig.status = { ...rig.status, challenge: view };
      await until(async () => (await panel.getAttribute('data-state')) === view.state);
      await until(async () => (await panel.getAttribute('data-part')) === (view.expected?.part ?? ''));
      for (const [device, [width, height]] of Object.entries(sizes)) {
        await page.setViewportSize({ width, height });
        expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(
          0,
        );
        for (const one of await panel.getByRole('button').all())
          expect((await one.boundingBox())?.height).toBeGreaterThanOrEqual(44);
        await page.screenshot({ path: join(pictures, `challenge-${name}-${device}.png`) });
      }
      expect(await isFirst()).toBe(view.state !== 'passed');
      if (name === 'bad') await says('Show a part that is known to be BAD to camera top');
      if (name === 'bad') expect(await button('The part is in place').count()).toBe(0);
      if (name !== 'again') continue;
      await says('The previous part was not counted: the image is old. Show it again.');
      await button('The part is in place').click();
      await until(() => rig.triggered.length === 2, { what: 'the command' });
      rig.failure = failure('challenge-idle', 'no challenge test is running');
      await button('Cancel the test').click();
      await page.getByRole('alert').getByText('no challenge test is running').waitFor();
      rig.failure = undefined;
    }
    expect(rig.triggered).toEqual([{ action: 'start' }, { action: 'placed' }]);
    await says('The challenge test has passed');
    expect(browser.complaints.filter((one) => !one.includes('409'))).toEqual([]);
  });
});
