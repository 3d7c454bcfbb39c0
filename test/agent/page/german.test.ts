/** The page in German in a real browser: no English text is left, and numbers and dates are written as in German. */
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { QcError } from '../../../config/errors.ts';
import { browserMissing, openBrowser } from '../../rigs/browser.ts';
import { createCalibrationRig } from '../../rigs/calibration.ts';
import { result } from '../../rigs/publisher.ts';
import { openStationRig } from '../../rigs/station.ts';
import { makeTokens } from '../../rigs/tokens.ts';
import { until } from '../../rigs/until.ts';
import { button, pictures, touchPanel } from './open-page.ts';

const folder = fileURLToPath(new URL('../../../../agent/page/', import.meta.url));
const tabs = ['label', 'gallery', 'doctor', 'train', 'history', 'bases'].map(
  (tab) => `calibrate.html#${tab}`,
);
// The log-in page needs tokens; the live page has the address of the folder.
const others = readdirSync(folder).filter((name) => /^(?!login|calibrate|index).*\.html$/.test(name));
const addresses = [...tabs, ...others, ''];

/** Words of nearly every English sentence that are not German, and not the name of a label. */
const english =
  /\b(the|of|and|with|are|this|for|from|not|no|label it|parts?|frames?|labelled|train|trained)\b/;

if (browserMissing) console.warn(`skipped: the page in German: ${browserMissing}`);
describe.skipIf(browserMissing)('the page in German', () => {
  it('is chosen on the page, kept, and complete on every tab', async () => {
    const rig = createCalibrationRig();
    await using station = await openStationRig({}, { calibration: rig });
    station.recent.add(result(1));
    await using browser = await openBrowser(`${station.http.url}/calibrate.html`, touchPanel);
    const { page } = browser;
    mkdirSync(pictures, { recursive: true });
    await button(page, 'Language and colours').click();
    await page.screenshot({ path: join(pictures, 'language.png') });
    await page.getByRole('combobox', { name: 'Language' }).selectOption('de');
    await button(page, 'Sprache und Farben').waitFor();
    expect(await page.locator('html').getAttribute('lang')).toBe('de');
    const left: string[] = [];
    for (const address of addresses) {
      await page.goto(`${station.http.url}/${address}`);
      await page.locator('.bar-tools').waitFor();
      await until(
        async () =>
          (await page
            .getByText(/wird geladen|Loading|geprüft\. Das/)
            .filter({ visible: true })
            .count()) === 0,
        {
          what: 'the page',
        },
      );
      await page.screenshot({
        path: join(pictures, `de-${address.replace(/\W+/g, '-')}.png`),
        fullPage: true,
      });
      const text = await page.evaluate<string>('document.body.innerText');
      // Where a base comes from is a text of its files.
      for (const line of text.replace('trained on generated surfaces', '').split('\n'))
        if (english.test(line)) left.push(`${address}: ${line}`);
    }
    expect(left).toEqual([]);
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Hilfe' }).waitFor();
    expect(await page.getByRole('dialog').innerText()).not.toMatch(english);
  }, 90_000);

  it('shows an error with its code, which is the same in every language', async () => {
    const rig = createCalibrationRig();
    await using station = await openStationRig({}, { calibration: rig });
    await using browser = await openBrowser(`${station.http.url}/icon.svg`, touchPanel);
    const { page } = browser;
    await page.evaluate("localStorage.setItem('qc-language', 'de')");
    await page.goto(`${station.http.url}/calibrate.html`);
    await page.getByRole('img', { name: `Teil ${rig.waiting[0]!.partId}` }).waitFor();
    rig.failure = new QcError('dataset-write-failed', 'the disk is full');
    await page.keyboard.press('1');
    await page
      .getByText(
        'die Labels konnten nicht gespeichert werden — prüfen Sie, ob der Datenträger voll ist oder Rechte fehlen; nichts wurde geändert [dataset-write-failed]',
      )
      .first()
      .waitFor();
  });

  it('asks in German for the token', async () => {
    using tokens = makeTokens();
    await using station = await openStationRig({ tokensFile: tokens.file });
    await using browser = await openBrowser(`${station.http.url}/login.html`, touchPanel);
    const { page } = browser;
    await page.evaluate("localStorage.setItem('qc-language', 'de')");
    await page.reload();
    await button(page, 'Anmelden').waitFor();
    await page.screenshot({ path: join(pictures, 'de-login.png') });
    expect(await page.evaluate<string>('document.body.innerText')).not.toMatch(english);
    await page.getByLabel('Token').fill('qc_nonsense');
    await page.keyboard.press('Enter');
    await page.getByText('Dieses Token ist nicht gültig.').waitFor();
  });

  it('follows the colours of the device, or the choice on the page', async () => {
    await using station = await openStationRig({}, { calibration: createCalibrationRig() });
    await using browser = await openBrowser(`${station.http.url}/`, touchPanel);
    const { page } = browser;
    const ground = () => page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
    await page.emulateMedia({ colorScheme: 'light' });
    expect(await ground()).toBe('rgb(243, 245, 247)');
    await page.emulateMedia({ colorScheme: 'dark' });
    expect(await ground()).toBe('rgb(13, 17, 20)');
    await button(page, 'Language and colours').click();
    await page.getByRole('combobox', { name: 'Colours' }).selectOption('light');
    expect(await ground()).toBe('rgb(243, 245, 247)');
    await page.reload();
    await until(async () => (await ground()) === 'rgb(243, 245, 247)', { what: 'the chosen colours' });
  });
});
