import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { matchTruth } from '../../agent/demo/truth.ts';
import type { Result } from '../../agent/publish/messages.ts';
import { gstMissing, openGstRtsp } from '../rigs/gst-rtsp.ts';
import { openPlant, type Plant } from '../rigs/plant.ts';
import { until } from '../rigs/until.ts';

describe('a frozen or changed stream is detected', () => {
  let plant: Plant;
  beforeAll(async () => {
    plant = await openPlant({
      vote: 2,
      line: { partsPerMinute: 50 },
      camera: { freezeMs: 1_500, stallMs: 1_500 },
    });
    await plant.ready();
    await plant.nextResults(2);
  });
  afterAll(() => plant?.[Symbol.asyncDispose]());

  const faults = async (reason: string) =>
    (await plant.metrics()).value('qc_camera_faults_total', { camera: 'top', reason }) ?? 0;

  it('the image freezes: detected, counted, and ended when it moves again', async () => {
    await plant.line.freeze(true);
    const status = await plant.says((now) => now.online && now.state === 'degraded', 'frozen');
    expect(status).toMatchObject({ reasons: [expect.stringContaining('has not changed for 1500 ms')] });
    expect(await faults('camera-frozen')).toBeGreaterThan(0);
    await plant.line.freeze(false);
    await recovers();
  });

  it('the stream stalls: detected, counted, and ended when data arrives again', async () => {
    await plant.line.stall(true);
    const status = await plant.says((now) => now.online && now.state === 'degraded', 'stalled');
    expect(status).toMatchObject({ reasons: [expect.stringContaining('no image for 1500 ms')] });
    expect(await faults('camera-stalled')).toBeGreaterThan(0);
    await plant.line.stall(false);
    await recovers();
  });

  it('the resolution changes during the stream: counted, and the same region is inspected', async () => {
    expect((await pictureOf(plant.results.at(-1)!)).width).toBe(300);
    const reconnects = (await plant.metrics()).value('qc_camera_reconnects_total');
    await plant.line.resize(480, 360);
    await until(async () => (await faults('camera-resolution-changed')) > 0, {
      everyMs: 100,
      what: 'the new resolution to be counted',
    });
    const changedAt = Date.now();
    await until(() => judgedSince(changedAt).length >= 2, {
      timeoutMs: 20_000,
      what: 'parts in the new size',
    });
    const { width, height } = await pictureOf(judgedSince(changedAt).at(-1)!);
    expect(Math.abs(width - 225)).toBeLessThan(3);
    expect(Math.abs(height - 225)).toBeLessThan(3);
    expect((await plant.metrics()).value('qc_camera_reconnects_total')).toBe(reconnects);
  });

  it('and meanwhile no part was judged twice, and each has a result', () => {
    const { results } = plant;
    expect(matchTruth(results, plant.line.truths).doubled).toEqual([]);
    expect(results.map(({ sequence }) => sequence)).toEqual(results.map((_, index) => index + 1));
  });

  const judgedSince = (since: number) =>
    plant.results.filter(({ state, capturedAt }) => state === 'completed' && Date.parse(capturedAt) > since);

  async function recovers(): Promise<void> {
    const since = Date.now();
    await plant.says((now) => now.online && now.state === 'inspecting', 'inspecting again');
    await until(() => judgedSince(since).length > 0, { timeoutMs: 20_000, what: 'a part judged again' });
  }

  async function pictureOf({ resultId }: Result): Promise<{ width: number; height: number }> {
    const answer = await fetch(`${plant.url}/api/v1/evidence/${resultId}.jpg`);
    return sharp(await answer.arrayBuffer()).metadata();
  }
});

it('detects the same with the RTSP server of GStreamer', async (context) => {
  const missing = gstMissing();
  if (missing) return context.skip(missing);
  await using camera = await openGstRtsp({ fps: 15 });
  await using plant = await openPlant({
    trigger: { kind: 'continuous', everyMs: 250 },
    camera: { url: camera.url, stallMs: 1_500 },
  });
  await plant.ready();
  await plant.nextResults(2);
  camera.signal('SIGSTOP');
  try {
    const status = await plant.says((now) => now.online && now.state === 'degraded', 'stalled');
    expect(status).toMatchObject({ cameras: { top: 'down' } });
  } finally {
    camera.signal('SIGCONT');
  }
  await plant.says((now) => now.online && now.state === 'inspecting', 'inspecting again');
  const judged = await plant.nextResults(2);
  expect(judged.map(({ state }) => state)).toEqual(['completed', 'completed']);
});
