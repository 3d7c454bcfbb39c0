/**
 * Every page in a real browser, in both themes, on a small and a usual screen: axe-core finds nothing serious, nothing extends
 * beyond the edge, and every control is large enough for a finger. New pages are included automatically.
 */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { browserMissing, openBrowser } from '../../rigs/browser.ts';
import { createCalibrationRig } from '../../rigs/calibration.ts';
import { result } from '../../rigs/publisher.ts';
import { openStationRig } from '../../rigs/station.ts';
import { makeTokens } from '../../rigs/tokens.ts';
import { until } from '../../rigs/until.ts';
import { button, pictures } from './open-page.ts';

const folder = fileURLToPath(new URL('../../../../agent/page/', import.meta.url));
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const pages = readdirSync(folder).filter((name) => name.endsWith('.html'));
const tabs = ['label', 'gallery', 'doctor', 'train', 'history', 'bases'];
const addresses = pages.flatMap((page) =>
  page === 'calibrate.html' ? tabs.map((tab) => `${page}#${tab}`) : [page],
);
const sizes = [
  { width: 320, height: 700 },
  { width: 1280, height: 800 },
];
const longLabels = Array.from({ length: 40 }, (_, i) => `Kratzer Fläche ${i + 1} an der Kante ${i % 7}`);

interface Finding {
  readonly impact: string;
  readonly id: string;
  readonly help: string;
  readonly nodes: readonly { readonly target: readonly string[]; readonly failureSummary: string }[];
}

if (browserMissing) console.warn(`skipped: accessibility in a browser: ${browserMissing}`);
describe.skipIf(browserMissing)('every page', () => {
  it.each([...addresses, 'docs/calibration.html'])(
    '%s has no serious finding of axe-core',
    async (address) => {
      const rig = createCalibrationRig({ labelled: 30, labels: longLabels });
      // Without tokens, the log-in page leads to the line at once.
      using tokens = makeTokens();
      const config = address === 'login.html' ? { tokensFile: tokens.file } : {};
      await using station = await openStationRig(config, { calibration: rig });
      for (let i = 1; i < 6; i++) station.recent.add(result(i));
      const file = address === 'index.html' ? '' : address;
      await using browser = await openBrowser(`${station.http.url}/${file}`, sizes[1]!);
      const { page } = browser;
      if (!address.startsWith('docs/')) await page.locator('.bar-tools').waitFor();
      await until(
        async () =>
          !(await page
            .getByText(/^(Loading|Checking)/)
            .first()
            .isVisible()),
        { what: 'the page' },
      );
      mkdirSync(pictures, { recursive: true });
      const found: string[] = [];
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
        for (const size of sizes) {
          await page.setViewportSize(size);
          const where = `${colorScheme} ${size.width} px`;
          const name = `all-${address.replace(/[^a-z]+/g, '-')}-${colorScheme}-${size.width}`;
          await page.screenshot({ path: join(pictures, `${name}.png`) });
          const beyond = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth');
          if (beyond > 0) found.push(`${where}: ${beyond} px extend beyond the edge`);
          await page.evaluate(axe);
          const { violations } = await page.evaluate<{ violations: Finding[] }>(
            'axe.run(document, { resultTypes: ["violations"] })',
          );
          for (const { impact, id, nodes } of violations) {
            if (impact !== 'serious' && impact !== 'critical') continue;
            for (const node of nodes)
              found.push(`${where}: ${id} ${node.target.join(' ')}: ${node.failureSummary}`);
          }
          const small = await page.evaluate<string[]>(smallControls);
          for (const one of small) found.push(`${where}: smaller than 44 px: ${one}`);
        }
      }
      expect(found).toEqual([]);
      if (address.startsWith('docs/')) return;
      await button(page, 'Help').click();
      const help = page.getByRole('dialog', { name: 'Help' });
      // The purpose of the page: help.js has an entry for each page.
      expect((await help.locator('p').first().innerText()).length).toBeGreaterThan(20);
      for (const link of await help.getByRole('link').all()) {
        const answer = await page.request.get(new URL((await link.getAttribute('href'))!, page.url()).href);
        expect(answer.status(), await link.innerText()).toBe(200);
      }
    },
    90_000,
  );
});

/** Controls that are less than 44 px high or wide; links within a text may be, and the region on an image. */
const smallControls = `[...document.querySelectorAll('button, select, summary, input:not([type=checkbox]):not([type=file]), a')]
  .filter((one) => !one.closest('p, li > a, .manual, .unseen, table, .aim-box'))
  .map((one) => [one, one.getBoundingClientRect()])
  .filter(([, { width, height }]) => width > 0 && height > 0 && (width < 43.5 || height < 43.5))
  .map(([one, { width, height }]) => one.outerHTML.slice(0, 90) + ' ' + Math.round(width) + ' x ' + Math.round(height))`;
