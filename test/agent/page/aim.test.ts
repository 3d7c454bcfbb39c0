import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { readAim } from '../../rigs/aim-stream.ts';
import { browserMissing, openBrowser } from '../../rigs/browser.ts';
import { camera as cameraView, openStationRig } from '../../rigs/station.ts';
import { toldCamera } from '../../rigs/told-camera.ts';
import { until } from '../../rigs/until.ts';

const jpeg = await sharp({ create: { width: 960, height: 540, channels: 3, background: '#486' } })
  .jpeg()
  .toBuffer();

async function open(hash = '') {
  const top = toldCamera();
  const side = toldCamera({ trigger: 'command' }, 'side');
  const rig = await openStationRig({}, { aim: (name) => top.aim(name) ?? side.aim(name) });
  rig.cameras = [cameraView('top'), cameraView('side', { trigger: 'command' })];
  let focus = 10;
  const timer = setInterval(() => {
    for (const one of [top, side]) one.image(jpeg, focus, 0);
    top.look({ share: 0.01, mask: { width: 2, height: 2, mask: new Uint8Array(4) } });
  }, 60);
  const browser = await openBrowser(`${rig.http.url}/aim.html${hash}`, { width: 1280, height: 800 });
  const { page } = browser;
  const text = (selector: string, wanted: string | RegExp) =>
    until(
      async () => {
        const shown = (await page.locator(selector).textContent()) ?? '';
        return typeof wanted === 'string' ? shown.includes(wanted) : wanted.test(shown);
      },
      { timeoutMs: 15_000, what: `${selector} to show ${wanted}` },
    );
  return {
    top,
    side,
    rig,
    page,
    text,
    focusOn: (value: number) => {
      focus = value;
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await browser[Symbol.asyncDispose]();
      await rig[Symbol.asyncDispose]();
    },
  };
}

describe.skipIf(browserMissing)('the page for aiming a camera', () => {
  it('shows the focus relative to the best value so far', async () => {
    await using aim = await open();
    await aim.text('#focus-value', '100 %');
    aim.focusOn(40);
    await until(() => aim.top.viewers.size === 1);
    await aim.page.waitForTimeout(500);
    aim.focusOn(20);
    await aim.text('#focus-value', /^50 %$/);
    await aim.page.getByRole('button', { name: 'Start again' }).click();
    await aim.text('#focus-value', '100 %');
  });

  it('watches only one camera, and says that a trigger by command has no signal', async () => {
    await using aim = await open('#side');
    await aim.text('#signal-note', 'triggered by a command');
    await aim.text('#facts', 'images per second');
    expect([aim.top.viewers.size, aim.side.viewers.size]).toEqual([0, 1]);
    expect(await aim.page.locator('#thresholds').isVisible()).toBe(false);
    aim.side.found('side-1');
    await until(() => aim.page.locator('#chart .is-part').count(), { what: 'a mark for the part' });
    await aim.page.getByRole('combobox', { name: 'Camera' }).selectOption('top');
    await aim.text('#signal-state', '○ Empty');
    await aim.text('#signal-share', '1.0 %');
    await until(() => aim.side.viewers.size === 0 && aim.top.viewers.size === 1);
    expect(await aim.page.locator('#chart .is-part').count()).toBe(0);
  });

  it('is operated with the keyboard, and never leaves the image', async () => {
    await using aim = await open();
    const corner = aim.page.getByRole('button', { name: 'Upper left corner' });
    const field = (name: string) => aim.page.getByRole('spinbutton', { name, exact: true });
    await until(async () => (await field('Width').inputValue()) === '50');
    await corner.focus();
    for (let n = 0; n < 9; n++) await aim.page.keyboard.press('Shift+ArrowLeft');
    await aim.page.keyboard.press('ArrowDown');
    expect(await field('Left').inputValue()).toBe('0');
    expect(await field('Width').inputValue()).toBe('75');
    expect(await field('Top').inputValue()).toBe('0.5');
    expect(await field('Height').inputValue()).toBe('99.5');
    await aim.page.locator('#yaml summary').click();
    await aim.text('#yaml-text', 'region: { x: 0, y: 0.005, width: 0.75, height: 0.995 }');
    await aim.text('#yaml-text', 'enter: 0.06, leave: 0.03');
    await aim.page.getByRole('button', { name: 'Undo changes' }).click();
    expect(await field('Width').inputValue()).toBe('50');
  });

  it('is operated by touch', async () => {
    await using aim = await open();
    const width = aim.page.getByRole('spinbutton', { name: 'Width', exact: true });
    await until(async () => (await width.inputValue()) === '50');
    const frame = (await aim.page.locator('#frame').boundingBox())!;
    const handle = (await aim.page.getByRole('button', { name: 'Lower right corner' }).boundingBox())!;
    expect(Math.min(handle.width, handle.height)).toBeGreaterThanOrEqual(44);
    const devtools = await aim.page.context().newCDPSession(aim.page);
    await devtools.send('Emulation.setTouchEmulationEnabled', { enabled: true });
    const touch = (type: 'touchStart' | 'touchMove' | 'touchEnd', by: number) =>
      devtools.send('Input.dispatchTouchEvent', {
        type,
        touchPoints:
          type === 'touchEnd'
            ? []
            : [{ x: handle.x + 22 + by * frame.width, y: handle.y + 22 - 0.2 * frame.height * (by / -0.1) }],
      });
    await touch('touchStart', 0);
    for (const by of [-0.03, -0.06, -0.1]) await touch('touchMove', by);
    await touch('touchEnd', -0.1);
    expect(Number(await width.inputValue())).toBeCloseTo(40, 0);
    const height = aim.page.getByRole('spinbutton', { name: 'Height', exact: true });
    expect(Number(await height.inputValue())).toBeCloseTo(80, 0);
  });

  it('names the recipe whose region it changes', async () => {
    await using aim = await open();
    expect(await aim.page.locator('#recipe').isVisible()).toBe(false);
    aim.top.state.regionSetting = 'recipes.bolts.cameras.top.region';
    await aim.text('#recipe', 'The recipe bolts has its own region');
    await aim.text('#yaml-text', /^recipes:\n {2}bolts:\n {4}cameras:\n {6}top:\n {8}region: \{ x: 0.25/);
  });

  it('says why there is no image, also when too many watch, and reconnects', async () => {
    await using aim = await open();
    await aim.text('#facts', 'images per second');
    Object.assign(aim.top.state, { up: false, problem: 'connection refused' });
    await aim.text('#none', 'The camera is down: connection refused');
    Object.assign(aim.top.state, { up: true, problem: '' });
    await until(async () => !(await aim.page.locator('#none').isVisible()), { what: 'the image to return' });
    const others = await Promise.all(
      Array.from({ length: 7 }, () => readAim(`${aim.rig.http.url}/api/v1/cameras/side/aim`)),
    );
    await aim.page.reload();
    await aim.text('#facts', 'images per second');
    const last = await readAim(`${aim.rig.http.url}/api/v1/cameras/side/aim`);
    expect(last.status).toBe(503);
    await aim.page.goto('about:blank');
    await until(() => aim.top.viewers.size === 0, { what: 'the page to leave' });
    others.push(await readAim(`${aim.rig.http.url}/api/v1/cameras/side/aim`));
    await aim.page.goto(`${aim.rig.http.url}/aim.html`);
    await aim.text('#none', /maximum.*close/);
    await others.pop()![Symbol.asyncDispose]();
    await aim.text('#facts', 'images per second');
    for (const other of others) await other[Symbol.asyncDispose]();
  });
});
