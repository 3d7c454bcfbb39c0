import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request as rawRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isOpenApiFresh } from '../../../agent/http/generate.ts';
import { createToken } from '../../../agent/http/tokens.ts';
import { result } from '../../rigs/publisher.ts';
import { camera, failure, frameOf, openStationRig } from '../../rigs/station.ts';

// biome-ignore lint/suspicious/noExplicitAny: bodies of every kind
const jsonOf = async (response: Response): Promise<any> => response.json();
const post = (url: string, body: string | Buffer, headers: Record<string, string> = {}) =>
  fetch(url, { method: 'POST', body: typeof body === 'string' ? body : new Uint8Array(body), headers });
const json = { 'content-type': 'application/json' };

/** Status of a request with headers that fetch does not allow. */
function statusWith(url: string, headers: Record<string, string>, method = 'GET'): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = rawRequest(url, { method, headers }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    request.on('error', reject).end();
  });
}

describe('health and metrics', () => {
  it('reports that it is alive, and whether it is ready, with reasons', async () => {
    await using rig = await openStationRig();
    expect((await jsonOf(await fetch(`${rig.http.url}/healthz`))).alive).toBe(true);
    expect((await fetch(`${rig.http.url}/readyz`)).status).toBe(200);
    rig.checks = [
      { name: 'camera top', ready: false, reason: 'stream stalled' },
      { name: 'broker', ready: true, reason: '' },
    ];
    const notReady = await fetch(`${rig.http.url}/readyz`);
    expect(notReady.status).toBe(503);
    expect(await jsonOf(notReady)).toEqual({ ready: false, checks: rig.checks });
    rig.checks = [];
    rig.status = { ...rig.status, challenge: { state: 'failed', reason: 'a part' } };
    const degraded = await fetch(`${rig.http.url}/readyz`);
    expect(degraded.status).toBe(200);
    expect(await jsonOf(degraded)).toMatchObject({ ready: true, challenge: 'failed' });
  });

  it('serves the exposition format', async () => {
    await using rig = await openStationRig();
    const response = await fetch(`${rig.http.url}/metrics`);
    expect(response.headers.get('content-type')).toContain('version=0.0.4');
    expect(await response.text()).toContain('qc_build_info{version="0.1.0"} 1');
  });
});

describe('the API', () => {
  it('has an up-to-date OpenAPI document', async () => {
    expect(await isOpenApiFresh(), 'run: node dist/agent/http/generate.js').toBe(true);
    await using rig = await openStationRig();
    const document = await jsonOf(await fetch(`${rig.http.url}/api/v1/openapi.json`));
    expect(Object.keys(document.paths)).toContain('/api/v1/classify');
  });

  it('tells which part a challenge test expects, and starts one', async () => {
    await using rig = await openStationRig();
    const url = `${rig.http.url}/api/v1/challenge`;
    expect(await jsonOf(await fetch(url))).toEqual({ state: 'none', reason: '' });
    const challenge = { state: 'due' as const, reason: '', deadline: '2026-11-30T06:15:00.000Z' };
    rig.status = { ...rig.status, challenge };
    expect(await jsonOf(await fetch(url))).toEqual(challenge);
    const started = await post(url, '{"action":"start","camera":"top"}', json);
    expect(await jsonOf(started)).toEqual({ schema: 1, ok: true });
    expect(rig.triggered).toEqual([{ action: 'start', camera: 'top' }]);
    expect(rig.recorded).toMatchObject([{ action: 'challenge', what: { action: 'start', camera: 'top' } }]);
    rig.failure = failure('challenge-running', 'a challenge test is already running');
    expect((await post(url, '{"action":"start"}', json)).status).toBe(409);
    expect((await post(url, '{"action":"stop"}', json)).status).toBe(400);
  });

  it('shows the place of a defect, with the map while it is stored', async () => {
    await using rig = await openStationRig();
    const map = { width: 2, height: 1, least: 3, most: 6, levels: 'AP8=' };
    const where = [{ x: 0.5, y: 0, width: 0.5, height: 1, score: 4.2, label: 'scratch' }];
    const region = { x: 0, y: 0, width: 1, height: 0.5 };
    const [told, old] = [result(1, { where, region }), result(2)];
    rig.recent.add(told, { map });
    rig.recent.add(old);
    const ask = async (id: string) => fetch(`${rig.http.url}/api/v1/results/${id}/where`);
    expect(await jsonOf(await ask(told.resultId))).toEqual({ where, region, map });
    expect(await jsonOf(await ask(old.resultId))).toEqual({ where: [], map: null });
    expect(await jsonOf(await ask(result(3).resultId))).toEqual({ where: [], map: null });
  });

  it('lists results newest first, with their images while they are stored', async () => {
    await using rig = await openStationRig();
    for (let i = 1; i <= 250; i++) rig.recent.add(result(i));
    const bad = result(251);
    rig.recent.add(bad, { frame: await frameOf(bad) });
    rig.recent.add(result(1, { camera: 'side', verdict: 'pass' }));
    const { url } = rig.http;
    const listed = await jsonOf(await fetch(`${url}/api/v1/results?camera=top&limit=3`));
    expect(listed.map((r: { sequence: number }) => r.sequence)).toEqual([251, 250, 249]);
    expect(await jsonOf(await fetch(`${url}/api/v1/results?camera=top&limit=200`))).toHaveLength(200);
    expect((await jsonOf(await fetch(`${url}/api/v1/results`)))[0].camera).toBe('side');
    expect((await fetch(`${url}/api/v1/results?limit=0`)).status).toBe(400);

    const picture = await fetch(`${url}/api/v1/evidence/${bad.resultId}.jpg`);
    expect(picture.headers.get('content-type')).toBe('image/jpeg');
    expect(await sharp(await picture.arrayBuffer()).metadata()).toMatchObject({ width: 240, height: 190 });
    expect((await fetch(`${url}/api/v1/evidence/${result(1).resultId}.jpg`)).status).toBe(404);
    expect((await fetch(`${url}/api/v1/evidence/..%2F..%2Fpackage.json`)).status).toBe(404);
    const preview = await fetch(`${url}/api/v1/cameras/top/preview.jpg`);
    expect(await sharp(await preview.arrayBuffer()).metadata()).toMatchObject({ width: 480, height: 270 });
    expect((await fetch(`${url}/api/v1/cameras/nobody/preview.jpg`)).status).toBe(404);
    rig.cameras = [...rig.cameras, camera('side')];
    expect((await fetch(`${url}/api/v1/cameras/side/preview.jpg`)).status).toBe(204);
    const cameras = await jsonOf(await fetch(`${url}/api/v1/cameras`));
    expect(cameras[0]).toMatchObject({ name: 'top', counts: { pass: 0, fail: 251, uncertain: 0 } });
    expect((await jsonOf(await fetch(`${url}/api/v1/status`))).state).toBe('inspecting');
  });

  it('judges an uploaded image of every kind, the same pixels each time', async () => {
    await using rig = await openStationRig();
    const classify = `${rig.http.url}/api/v1/classify`;
    const pixels = Buffer.from([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9, 200, 100, 50, 1, 2, 3]);
    const picture = sharp(pixels, { raw: { width: 3, height: 2, channels: 3 } });
    const uploads: [string, Buffer][] = [
      ['image/png', await picture.clone().png().toBuffer()],
      ['image/webp', await picture.clone().webp({ lossless: true }).toBuffer()],
      ['image/bmp', bmp24(pixels, 3, 2)],
      ['application/octet-stream', await picture.clone().ensureAlpha().png().toBuffer()],
    ];
    for (const [type, bytes] of uploads) {
      const response = await post(classify, bytes, { 'content-type': type });
      expect(response.status, type).toBe(200);
      expect(await jsonOf(response)).toMatchObject({
        schema: 1,
        verdict: 'fail',
        evaluation: 2,
        label: 'scratch',
      });
      const seen = rig.classified.at(-1)!;
      expect([seen.width, seen.height, Buffer.from(seen.data)]).toEqual([3, 2, pixels]);
    }
    const jpeg = await post(classify, await picture.clone().jpeg().toBuffer(), {
      'content-type': 'image/jpeg',
    });
    expect(jpeg.status).toBe(200);
  });

  it('refuses data that is not an image, too large, or of another type', async () => {
    await using rig = await openStationRig({ maxBodyMb: 1 });
    const classify = `${rig.http.url}/api/v1/classify`;
    const refused = async (body: string | Buffer, type: string) => {
      const response = await post(classify, body, { 'content-type': type });
      const { error } = await jsonOf(response);
      expect(Object.keys(error)).toEqual(['code', 'message', 'remedy']);
      return [response.status, error.code];
    };
    expect(await refused('not a picture', 'image/png')).toEqual([400, 'image-unreadable']);
    expect(await refused('BM but then nothing of what a bitmap has', 'image/bmp')).toEqual([
      400,
      'image-unreadable',
    ]);
    expect(await refused('<svg xmlns="http://www.w3.org/2000/svg"/>', 'image/png')).toEqual([
      400,
      'image-unreadable',
    ]);
    expect(await refused(Buffer.alloc(1_100_000), 'image/png')).toEqual([413, 'http-too-large']);
    expect(await refused('{}', 'text/csv')).toEqual([415, 'http-media-unsupported']);
    const bomb = await sharp({ create: { width: 6_000, height: 6_000, channels: 3, background: '#000' } })
      .png()
      .toBuffer();
    expect(await refused(bomb, 'image/png')).toEqual([413, 'image-too-large']);
    const png = await sharp({ create: { width: 4, height: 4, channels: 3, background: '#000' } })
      .png()
      .toBuffer();
    expect(await refused(png.subarray(0, 50), 'image/png')).toEqual([400, 'image-unreadable']);
    expect(rig.classified).toEqual([]);
    rig.failure = failure('model-missing', 'no model is loaded');
    expect(await refused(png, 'image/png')).toEqual([503, 'model-missing']);
    rig.failure = new TypeError('token hunter2');
    const inside = await post(classify, png, { 'content-type': 'image/png' });
    expect(inside.status).toBe(500);
    expect(await inside.text()).not.toContain('hunter2');
  });

  it('takes commands', async () => {
    await using rig = await openStationRig();
    const { url } = rig.http;
    const reply = await post(`${url}/api/v1/trigger`, '{"camera":"top","partId":"A-1"}', json);
    expect(await jsonOf(reply)).toEqual({ schema: 1, ok: true, jobId: 'job-1' });
    expect(rig.triggered).toEqual([{ camera: 'top', partId: 'A-1' }]);
    for (const body of ['{"camera":', '{}', '{"camera":"top","x":1}', '']) {
      expect((await post(`${url}/api/v1/trigger`, body, json)).status, body).toBe(400);
    }
    expect(
      (await post(`${url}/api/v1/trigger`, JSON.stringify({ camera: 'x'.repeat(20_000) }), json)).status,
    ).toBe(413);
    rig.failure = failure('camera-unreachable', 'camera top is down');
    const down = await post(`${url}/api/v1/trigger`, '{"camera":"top"}', json);
    expect([down.status, (await jsonOf(down)).error.code]).toEqual([503, 'camera-unreachable']);
    expect((await post(`${url}/api/v1/mode`, '{"mode":"calibration"}', json)).status).toBe(200);
    const unknown = await fetch(`${url}/api/v1/nothing`);
    expect([unknown.status, (await jsonOf(unknown)).error.code]).toEqual([404, 'http-not-found']);
  });
});

describe('access', () => {
  let folder: string;
  const viewer = createToken('wall', 'viewer');
  const operator = createToken('anna', 'operator');
  let tokensFile: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'qc-tokens-'));
    tokensFile = join(folder, 'tokens');
    await writeFile(tokensFile, `# who may look and act\n${viewer.line}\n\n${operator.line}\n`);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('refuses to listen on the network without tokens', async () => {
    await expect(openStationRig({ host: '0.0.0.0' })).rejects.toMatchObject({ code: 'http-tokens-missing' });
    const bad = join(folder, 'bad');
    await writeFile(bad, `${viewer.line}\nanna boss ${'0'.repeat(64)}\n`);
    await expect(openStationRig({ tokensFile: bad })).rejects.toMatchObject({
      code: 'http-tokens-invalid',
      message: expect.stringContaining('line 2'),
    });
    await expect(openStationRig({ tokensFile: join(folder, 'none') })).rejects.toMatchObject({
      code: 'http-tokens-missing',
    });
  });

  it('reports an occupied port', async () => {
    await using rig = await openStationRig();
    const port = Number(new URL(rig.http.url).port);
    await expect(openStationRig({ port })).rejects.toMatchObject({ code: 'http-port-taken' });
  });

  it('allows each role its requests, with Bearer or Basic', async () => {
    await using rig = await openStationRig({ host: '0.0.0.0', tokensFile });
    const { url } = rig.http;
    const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
    const basic = (token: string) => ({
      authorization: `Basic ${Buffer.from(`anybody:${token}`).toString('base64')}`,
    });
    const get = async (path: string, headers: Record<string, string> = {}) =>
      (await fetch(`${url}${path}`, { headers })).status;
    expect(await get('/healthz')).toBe(200);
    expect(await get('/readyz')).toBe(200);
    for (const path of ['/metrics', '/api/v1/status', '/api/v1/events', '/api/v1/openapi.json', '/nothing']) {
      expect(await get(path), path).toBe(401);
    }
    const challenged = await fetch(`${url}/metrics`);
    expect(challenged.headers.get('www-authenticate')).toBe('Bearer realm="qc-agent"');
    expect(await get('/metrics', bearer(viewer.token))).toBe(200);
    expect(await get('/', basic(viewer.token))).toBe(200);
    expect(await get('/metrics', bearer(`${viewer.token}x`))).toBe(401);
    expect(await get('/metrics', { authorization: 'Basic !!!' })).toBe(401);
    const trigger = (headers: Record<string, string>) =>
      post(`${url}/api/v1/trigger`, '{"camera":"top"}', { ...json, ...headers });
    expect((await trigger(bearer(viewer.token))).status).toBe(403);
    expect((await trigger(bearer(operator.token))).status).toBe(200);
    const setMode = (token: string) =>
      post(`${url}/api/v1/mode`, '{"mode":"calibration"}', { ...json, ...bearer(token) });
    expect((await setMode(operator.token)).status).toBe(200);
    const mode = await setMode(viewer.token);
    expect([mode.status, (await jsonOf(mode)).error.code]).toEqual([403, 'http-forbidden']);
    expect(rig.log.join('')).not.toContain(viewer.token);
  });

  it('refuses requests from pages of other sites', async () => {
    await using rig = await openStationRig();
    const { url } = rig.http;
    const host = new URL(url).host;
    expect(await statusWith(`${url}/api/v1/status`, { host: 'evil.example' })).toBe(403);
    expect(await statusWith(`${url}/api/v1/status`, { host: 'localhost:9999' })).toBe(200);
    const trigger = `${url}/api/v1/trigger`;
    expect(await statusWith(trigger, { host, origin: 'https://evil.example' }, 'POST')).toBe(403);
    expect(await statusWith(trigger, { host, origin: 'null' }, 'POST')).toBe(403);
    expect(await statusWith(trigger, { host, 'sec-fetch-site': 'cross-site' }, 'POST')).toBe(403);
    expect(await statusWith(trigger, { host, origin: `http://${host}` }, 'POST')).not.toBe(403);
    const page = await fetch(url);
    expect(page.headers.get('content-security-policy')).toMatch(/default-src 'none'(?!.*unsafe)/);
    expect(page.headers.get('x-content-type-options')).toBe('nosniff');
    const again = await fetch(url, { headers: { 'if-none-match': page.headers.get('etag')! } });
    expect(again.status).toBe(304);
  });
});

/** A 24-bit bitmap, bottom up with padded rows, from RGB. */
function bmp24(rgb: Buffer, width: number, height: number): Buffer {
  const stride = Math.ceil((width * 3) / 4) * 4;
  const bytes = Buffer.alloc(54 + stride * height);
  bytes.write('BM');
  bytes.writeUInt32LE(54, 10);
  bytes.writeUInt32LE(40, 14);
  bytes.writeInt32LE(width, 18);
  bytes.writeInt32LE(height, 22);
  bytes.writeUInt16LE(24, 28);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = (y * width + x) * 3;
      const to = 54 + (height - 1 - y) * stride + x * 3;
      for (let c = 0; c < 3; c++) bytes[to + c] = rgb[from + 2 - c]!;
    }
  }
  return bytes;
}
