/**
 * Opens the calibration page in a real browser, with calibration simulated in memory; screenshots are saved in a folder.
 */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { expect } from 'vitest';
import type { Result } from '../../../agent/publish/messages.ts';
import { openBrowser, type Viewport } from '../../rigs/browser.ts';
import type { CalibrationRig } from '../../rigs/calibration.ts';
import { openStationRig, scratchAt } from '../../rigs/station.ts';

export const pictures = process.env.QC_TEST_PICTURES ?? join(tmpdir(), 'qc-calibration-page');
export const touchPanel: Viewport = { width: 1024, height: 768 };
export const phone: Viewport = { width: 390, height: 844 };

export interface Opened extends AsyncDisposable {
  readonly page: Page;
  readonly foreign: readonly string[];
  readonly complaints: readonly string[];
}

export async function open(
  rig: CalibrationRig,
  hash = '#label',
  past: readonly Result[] = [],
): Promise<Opened> {
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

/** Takes screenshots on the touch panel and on a phone; nothing may extend beyond the right edge. */
export async function shoot(page: Page, name: string): Promise<void> {
  for (const [device, viewport] of Object.entries({ phone, 'touch-panel': touchPanel })) {
    await page.setViewportSize(viewport);
    const beyond = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
    expect(beyond, `${name} on a ${device}`).toBeLessThanOrEqual(0);
    await page.screenshot({ path: join(pictures, `${name}-${device}.png`), fullPage: true });
  }
}

export const picture = (page: Page, partId: string) => page.getByRole('img', { name: `Part ${partId}` });
export const button = (page: Page, name: string | RegExp) => page.getByRole('button', { name });
/** Area of the image on the screen, px; its box is larger. */
export async function shownArea(page: Page, layer = '#look-frame .marks') {
  return page.locator(layer).evaluate((element) => {
    // Code in the browser does not know the types of this project.
    const svg = element as unknown as {
      viewBox: { baseVal: { width: number; height: number } };
      getScreenCTM(): { a: number; e: number; f: number };
    };
    const { a, e, f } = svg.getScreenCTM();
    const { width, height } = svg.viewBox.baseVal;
    return { x: e, y: f, width: a * width, height: a * height };
  });
}
export const frame = (page: Page) => page.getByRole('option');
