/** Evidence over HTTP and on its page, from real files. */
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { openEvidence } from '../../../agent/evidence/evidence.ts';
import { createResultHistory } from '../../../agent/evidence/result-history.ts';
import { createRecent } from '../../../agent/http/recent.ts';
import { Closer } from '../../../agent/lifecycle/closer.ts';
import { createMetrics } from '../../../agent/metrics/metrics.ts';
import type { Result } from '../../../agent/publish/messages.ts';
import { storageSchema } from '../../../config/schema.ts';
import { tempFolder } from '../../models/temp-folder.ts';
import { browserMissing, openBrowser } from '../../rigs/browser.ts';
import { result } from '../../rigs/publisher.ts';
import { frameOf, openStationRig, scratchAt } from '../../rigs/station.ts';
import { until } from '../../rigs/until.ts';

const pictures = process.env.QC_TEST_PICTURES ?? join(tmpdir(), 'qc-page');

/** A station that judged some parts, the newest last, and was restarted afterwards. */
async function openPastStation(parts: readonly Partial<Result>[]) {
  await using opened = new Closer();
  const { path: directory } = opened.use(await tempFolder());
  const evidence = opened.use(
    openEvidence(storageSchema.parse({ directory, minFreeMb: 0, evidencePassShare: 1 }), {
      log: pino({ level: 'silent' }),
      metrics: createMetrics({ version: '0.1.0' }),
      onNotice: () => undefined,
    }),
  );
  const results: Result[] = [];
  for (const [index, over] of parts.entries()) {
    const one = result(index + 1, over);
    const { image } = await frameOf(one);
    const map = one.where && scratchAt.map;
    results.push({ ...one, evidence: evidence.keep(one, image, map) });
    await until(() => evidence.result(one.resultId), { what: 'the picture to be kept' });
  }
  const past = createResultHistory(createRecent(), evidence);
  const { http } = opened.use(await openStationRig({}, { past, evidence }));
  const all = opened.move();
  return { url: http.url, results, [Symbol.asyncDispose]: () => all[Symbol.asyncDispose]() };
}

const fail = { verdict: 'fail', evaluation: 2, label: 'scratch' } as const;
const uncertain = { verdict: 'uncertain', evaluation: 0, label: 'dent' } as const;
const pass = { verdict: 'pass', evaluation: 1, label: 'good' } as const;

it('serves images and results by their id, lists them page by page, and refuses other requests', async () => {
  await using station = await openPastStation([fail, pass, uncertain, fail]);
  const ask = async (path: string) => {
    const answer = await fetch(`${station.url}/api/v1/evidence${path}`);
    // biome-ignore lint/suspicious/noExplicitAny: the test looks into answers of every kind
    return { status: answer.status, body: (answer.ok ? await answer.json() : undefined) as any };
  };
  const newestFirst = station.results.toReversed();
  expect((await ask('')).body).toEqual({ items: newestFirst, next: null });
  expect((await ask('?verdict=fail&label=scratch&camera=top')).body.items).toEqual([
    newestFirst[0],
    newestFirst[3],
  ]);
  const first = (await ask('?limit=3')).body;
  expect(first.items).toEqual(newestFirst.slice(0, 3));
  expect((await ask(`?limit=3&before=${first.next}`)).body).toEqual({
    items: newestFirst.slice(3),
    next: null,
  });
  expect((await ask('?to=2020-01-01T00:00:00Z')).body.items).toEqual([]);
  const { resultId } = newestFirst[0]!;
  expect((await ask(`/${resultId}.json`)).body).toEqual(newestFirst[0]);
  const picture = await fetch(`${station.url}/api/v1/evidence/${resultId}.jpg`);
  expect(picture.headers.get('content-type')).toBe('image/jpeg');
  const status = async (path: string) => (await ask(path)).status;
  expect(await status(`/${result(9).resultId}.jpg`)).toBe(404);
  expect(await status(`/${result(9).resultId}.json`)).toBe(404);
  for (const path of ['/..%2F..%2Fagent.yaml', `/${'Z'.repeat(26)}.jpg`, `/${resultId}.png`, '/%00.jpg']) {
    expect(await status(path)).toBe(404);
  }
  for (const query of ['?verdict=bad', '?before=x', '?from=yesterday', '?limit=201']) {
    expect(await status(query)).toBe(400);
  }
});

it('shows them on a page, with filter, detail and correction', async (context) => {
  if (browserMissing) return context.skip(browserMissing);
  await mkdir(pictures, { recursive: true });
  await using station = await openPastStation([pass, fail, uncertain, fail, pass, fail]);
  await using browser = await openBrowser(`${station.url}/evidence.html`, { width: 1024, height: 768 });
  const { page } = browser;
  const parts = page.locator('.evidence-part');
  await until(async () => (await parts.count()) === 6, { what: 'six parts' });
  await page.screenshot({ path: join(pictures, 'evidence.png') });
  await page.getByLabel('Verdict').selectOption('fail');
  await until(async () => (await parts.count()) === 3, { what: 'three failed parts' });
  await page.getByLabel('Label', { exact: true }).fill('dent');
  await page.getByRole('button', { name: 'Show' }).click();
  await page.getByText('No stored image matches this filter.').waitFor();
  await page.getByLabel('Verdict').selectOption('');
  await until(async () => (await parts.count()) === 1, { what: 'the dent' });
  await parts.first().click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('? Uncertain: dent (98 %)').waitFor();
  const { resultId } = station.results[2]!;
  expect(await dialog.getByRole('link').getAttribute('href')).toBe(`calibrate.html#label/${resultId}`);
  await until(() =>
    dialog.locator('img').evaluate((image: { naturalWidth?: number }) => image.naturalWidth === 240),
  );
  expect(await dialog.getByRole('button', { name: 'Where' }).count()).toBe(0);
  await page.screenshot({ path: join(pictures, 'evidence-look.png') });
});

it('shows the place of a defect on a stored part', async (context) => {
  if (browserMissing) return context.skip(browserMissing);
  const { where, region } = scratchAt;
  await using station = await openPastStation([pass, pass, pass, pass, { ...fail, where, region }]);
  await using browser = await openBrowser(`${station.url}/evidence.html`, { width: 1024, height: 768 });
  const { page } = browser;
  await page.locator('.evidence-part[data-verdict=fail]').click();
  const dialog = page.getByRole('dialog');
  await dialog.locator('.where image').waitFor({ state: 'attached' });
  expect(await dialog.locator('.where-line').count()).toBe(1);
  await page.screenshot({ path: join(pictures, 'evidence-where.png') });
  await dialog.getByRole('button', { name: 'Where' }).click();
  expect(await dialog.locator('.where-line').count()).toBe(0);
  expect(browser.complaints).toEqual([]);
}, 120_000);
