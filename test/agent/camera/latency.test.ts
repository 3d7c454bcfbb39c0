import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { measureLatency } from '../../../agent/camera/latency.ts';
import { readLatency, writeLatency } from '../../../agent/camera/latency-record.ts';
import { readWithNodeAv } from '../../../agent/camera/node-av/source.ts';
import type { CameraSource } from '../../../agent/camera/source.ts';
import { checkLatency } from '../../../agent/doctor/latency.ts';
import { cameraSchema } from '../../../config/camera-schema.ts';
import { monotonicMs } from '../../../models/run/monotonic.ts';
import { tempFolder } from '../../models/temp-folder.ts';
import { type Colour, drawn } from '../../rigs/drawn.ts';
import { gstMissing, openGstRtsp } from '../../rigs/gst-rtsp.ts';

const GREY: Colour = [90, 90, 90];
const WHITE: Colour = [240, 240, 240];

describe.skipIf(gstMissing())('the delay from camera to agent', () => {
  it('is measured by a change at a known moment', async () => {
    await using server = await openGstRtsp({ source: 'pictures' });
    await server.show(drawn(320, 240, GREY));
    /** A camera behind a recorder that delays every frame. */
    const late: CameraSource = (context) =>
      readWithNodeAv({
        ...context,
        async deliver(frame) {
          await sleep(600);
          context.deliver({ ...frame, times: { ...frame.times, takenAt: monotonicMs() } });
        },
      });
    let bright = false;
    const moments = (async function* () {
      for (;;) {
        bright = !bright;
        const at = monotonicMs();
        await server.show(drawn(320, 240, bright ? WHITE : GREY));
        yield at;
      }
    })();
    const ready: number[] = [];
    const measured = await measureLatency('top', {
      source: late,
      config: cameraSchema.parse({ url: server.url }),
      signal: AbortSignal.timeout(60_000),
      onReady: (done) => void ready.push(done),
      moments,
      times: 2,
    });
    expect(ready).toEqual([0, 1]);
    for (const ms of measured) {
      expect(ms).toBeGreaterThan(600);
      expect(ms).toBeLessThan(4_000);
    }
  }, 60_000);
});

it('the doctor reports the measured delay, its age and its faults', async () => {
  await using scratch = await tempFolder();
  const camera = (over: object = {}) => cameraSchema.parse({ url: 'rtsp://camera/x', ...over });
  const check = async (over?: object, now?: Date) =>
    (await checkLatency('top', camera(over), scratch.path, now)).map(
      ({ level, detail }) => `${level} ${detail}`,
    );
  expect(await check()).toEqual(['warn never measured; the stream does not show a constant delay']);
  expect(await check({ simulated: true })).toEqual([]);
  const { measuredAt } = await writeLatency(scratch.path, 'top', [300.4, 410, 350]);
  expect(await readLatency(scratch.path, 'top')).toMatchObject({ measurements: [300, 410, 350] });
  expect(await check({ latencyMs: 300 })).toEqual(['ok 0.35 s, measured today']);
  expect(await check()).toEqual(['warn 0.35 s, measured today, but latencyMs is 0']);
  const later = (days: number) => new Date(Date.parse(measuredAt) + days * 86_400_000);
  expect(await check({ latencyMs: 300 }, later(12.5))).toEqual(['ok 0.35 s, measured 12 days ago']);
  expect(await check({ latencyMs: 300 }, later(400))).toEqual(['warn 0.35 s, measured 400 days ago']);
  expect(await check({ maxAgeMs: 300 })).toEqual(['fail 0.35 s, measured today: more than maxAgeMs (300)']);
});
