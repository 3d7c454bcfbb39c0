import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { tempFolder } from '../../models/temp-folder.ts';
import { browserMissing, openBrowser } from '../../rigs/browser.ts';
import { freePort } from '../../rigs/free-port.ts';
import { frontDoor } from '../../rigs/front-door.ts';
import { gstMissing, openGstRtsp } from '../../rigs/gst-rtsp.ts';
import { mosquittoMissing, startMosquitto } from '../../rigs/mosquitto.ts';
import { startAgent } from '../../rigs/plant-agent.ts';
import { result } from '../../rigs/publisher.ts';
import { frameOf } from '../../rigs/station.ts';
import { until } from '../../rigs/until.ts';

const missing = browserMissing ?? gstMissing() ?? mosquittoMissing;
const camera = { user: 'inspector', password: 'camera-hunter2' };
const users = { 'press-3': 'broker-hunter2' };

const goTo = async (page: Page, step: string) => {
  await page.locator(`[data-step=${step}]`).click();
  await page.locator(`form#${step}`).waitFor();
};
const next = async (page: Page, step: string) => {
  await page.locator('#next').click();
  await page.locator(`form#${step}`).waitFor();
};

describe.skipIf(missing !== undefined)('the guide of a station without a configuration', () => {
  it('finds, checks and stores everything, and starts the inspection in the same process', async () => {
    await using folder = await tempFolder();
    await using rtsp = await openGstRtsp({ ...camera, source: 'pictures', fps: 10 });
    const shown = await frameOf(result(5));
    await rtsp.show(shown.preview!);
    await using broker = await startMosquitto({ users });
    const at = (name: string) => join(folder.path, name);
    await using agent = startAgent(['setup', '--port', String(await freePort())], {
      cwd: folder.path,
      env: { QC_LOG__FORMAT: 'json' },
    });
    const url = await frontDoor(agent);
    await using browser = await openBrowser(url, { width: 1280, height: 800 });
    const { page } = browser;
    await page.locator('form#camera').waitFor();

    // A wrong address is refused with the name of its key, and nothing is kept.
    await page.locator('#camera-url').fill(`rtsp://u:secret@127.0.0.1:${rtsp.port}/stream`);
    await page.locator('#next').click();
    await page.getByText('the address contains a password').waitFor();
    await page.locator('#camera-url').fill(rtsp.url);
    await next(page, 'image');

    await page.locator('#camera-user').fill(camera.user);
    await page.locator('#camera-password').fill('wrong');
    await page.locator('#check-camera').click();
    await page.locator('#camera-findings [data-level=fail]').waitFor({ timeout: 40_000 });
    await page.locator('#camera-password').fill(camera.password);
    await page.locator('#check-camera').click();
    await page.locator('#camera-image').waitFor({ timeout: 40_000 });
    expect(await page.locator('#camera-findings [data-level=ok]').first().textContent()).toContain('480×270');
    await next(page, 'region');

    const area = (await page.locator('#aim').boundingBox())!;
    await page.mouse.move(area.x + area.width * 0.25, area.y + area.height * 0.25);
    await page.mouse.down();
    await page.mouse.move(area.x + area.width * 0.75, area.y + area.height * 0.75, { steps: 4 });
    await page.mouse.up();
    await page.locator('#region-box').focus();
    await page.keyboard.press('Shift+ArrowRight');
    if (process.env.QC_TEST_SCREENSHOT) await page.screenshot({ path: process.env.QC_TEST_SCREENSHOT });
    await next(page, 'trigger');
    await page.locator('input[value=continuous]').check();
    await page.locator('#trigger-every').fill('500');
    await next(page, 'labels');
    await page.locator('#labels-good').fill('good, fine');
    await page.locator('#labels-defects').fill('scratch');

    // Reloading the page keeps what was saved, and skipping a step keeps it too.
    await page.reload();
    await page.locator('form#labels').waitFor();
    await page.locator('#labels-good').fill('good, fine');
    await page.locator('#labels-defects').fill('scratch');
    await next(page, 'broker');

    await page.locator('#broker-url').fill(broker.url);
    await page.locator('#check-broker').click();
    await page.locator('#broker-findings [data-level=fail]').waitFor({ timeout: 40_000 });
    await page.locator('#broker-user').fill('press-3');
    await page.locator('#broker-password').fill(users['press-3']);
    await page.locator('#check-broker').click();
    await page.locator('#broker-findings [data-level=ok]').first().waitFor({ timeout: 40_000 });
    await next(page, 'finish');

    await page.locator('#station').fill('press-3');
    await page.locator('#next').click();
    await page.waitForURL((to) => to.pathname === '/', { timeout: 60_000 });
    await page.getByText('press-3').first().waitFor();

    const text = await readFile(at('agent.yaml'), 'utf8');
    expect(text).toContain('# One block for each camera:');
    expect(text).toContain('  good: [good, fine]');
    expect(text).toContain('  defects: [scratch]');
    expect(text).toMatch(/region: \{ x: 0\.2\d*, y: 0\.2\d*, width: 0\.5\d*, height: 0\.[45]\d* \}/);
    expect(text).not.toContain('hunter2');
    for (const [name, secret] of [
      ['cameras-top', camera.password],
      ['mqtt', users['press-3']],
    ] as const) {
      expect(await readFile(at(`secrets/${name}`), 'utf8')).toBe(`${secret}\n`);
      expect((await stat(at(`secrets/${name}`))).mode & 0o777).toBe(0o600);
    }
    expect(await readdir(folder.path)).not.toContain('agent.yaml.setup');
    const audit = await readFile(at('data/audit.jsonl'), 'utf8');
    expect(audit).toContain('finish-setup');
    expect([audit, agent.stderr].join()).not.toMatch(/hunter2|wrong/);

    const served = String((await agent.logs('page, API and metrics are served')).url);
    const status = async () => (await (await fetch(`${served}/api/v1/status`)).json()) as { cameras: object };
    await until(async () => JSON.stringify((await status()).cameras) === '{"top":"up"}', {
      timeoutMs: 20_000,
      what: 'the camera',
    });
    expect(browser.foreign).toEqual([]);
    expect(await agent.stop()).toEqual({ code: 0, signal: null });
  }, 180_000);

  it('changes a running station: at once, or after a restart that it offers', async () => {
    await using folder = await tempFolder();
    const image = join(folder.path, 'part.png');
    await sharp({ create: { width: 320, height: 240, channels: 3, background: '#777' } })
      .png()
      .toFile(image);
    await writeFile(
      join(folder.path, 'agent.yaml'),
      `station: press-3 # its name\ncameras: { top: { url: "file:${image}" } }\nhttp: { port: 0 }\nlog: { format: json }\n`,
    );
    await using agent = startAgent(['run'], { cwd: folder.path });
    const url = String((await agent.logs('page, API and metrics are served')).url);
    await using browser = await openBrowser(`${url}/setup.html#region`, { width: 390, height: 844 });
    const { page } = browser;
    await page.locator('form#region').waitFor();
    await page.locator('#region-width').fill('50');
    await next(page, 'trigger');
    const cameras = (await (await fetch(`${url}/api/v1/cameras`)).json()) as { region: { width: number } }[];
    expect(cameras[0]?.region.width).toBe(0.5);
    await goTo(page, 'finish');
    await page.getByText('All settings are in use.').waitFor();
    await page.locator('#station').fill('press 4');
    await page.locator('#next').click();
    await page.locator('#problem').waitFor();
    expect(await page.locator('#problem').textContent()).toContain('station');
    await goTo(page, 'broker');
    await page.locator('#broker-url').fill('mqtt://127.0.0.1:9');
    await next(page, 'finish');
    await page.getByText('1 setting takes effect after a restart: mqtt.url').waitFor();
    expect(await page.locator('#next').textContent()).toBe('Restart now');
    const width = await page.evaluate<number>('document.documentElement.scrollWidth');
    expect(width).toBe(390);
    expect(await readFile(join(folder.path, 'agent.yaml'), 'utf8')).toContain('station: press-3 # its name');
    expect(await agent.stop()).toEqual({ code: 0, signal: null });
  }, 60_000);
});

it('asks for a token on every other address than loopback', async () => {
  await using folder = await tempFolder();
  await using agent = startAgent(['setup', '--port', '0', '--host', '0.0.0.0'], { cwd: folder.path });
  const url = await frontDoor(agent);
  const shown = /token \(it is not shown again\): (qc_\S+)\n/;
  await until(() => shown.test(agent.stderr), { what: 'the token' });
  const token = shown.exec(agent.stderr)?.[1];
  expect((await fetch(`${url}api/v1/setup`)).status).toBe(401);
  const headers = { authorization: `Bearer ${token}` };
  expect(await (await fetch(`${url}api/v1/setup`, { headers })).json()).toMatchObject({ mode: 'first' });
  expect((await stat(join(folder.path, 'tokens'))).mode & 0o777).toBe(0o600);
  const incomplete = await fetch(`${url}api/v1/setup/finish`, { method: 'POST', headers });
  expect([incomplete.status, await incomplete.text()]).toEqual([400, expect.stringContaining('cameras')]);
  expect(await agent.stop('SIGINT')).toEqual({ code: 0, signal: null });
});
