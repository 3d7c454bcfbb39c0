import { spawnSync } from 'node:child_process';
import { beforeAll, describe, expect, it } from 'vitest';
import { makeClip, playClip } from '../../../agent/bench/clip.ts';
import { readWithFfmpeg } from '../../../agent/camera/ffmpeg/source.ts';
import { readWithNodeAv } from '../../../agent/camera/node-av/source.ts';
import { openRtspServer } from '../../../agent/demo/rtsp/server.ts';
import { attempt } from './attempt.ts';

const noFfmpeg = spawnSync('ffmpeg', ['-version']).status === 0 ? undefined : 'ffmpeg is not installed here';
const sources = [
  ['node-av', readWithNodeAv, undefined],
  ['ffmpeg', readWithFfmpeg, noFfmpeg],
] as const;

/** A camera of 25 frames per second with chosen timestamps. */
let clip: Awaited<ReturnType<typeof makeClip>>;
async function stamping(stamp: (frame: number) => number) {
  const source = playClip(clip, 25, 0);
  let frames = 0;
  const server = await openRtspServer({
    source: {
      ...source,
      subscribe: (listener) =>
        source.subscribe((picture) => listener({ ...picture, capturedAt: stamp(frames++) })),
    },
  });
  return {
    url: server.url,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await source[Symbol.asyncDispose]();
    },
  };
}

const stamps: [string, (frame: number) => number][] = [
  ['that are constant', () => 1e12],
  ['that run fast', (frame) => 1e12 + frame * 20],
  ['that run slow', (frame) => 1e12 + frame * 80],
  ['that jump back', (frame) => 1e12 + frame * 40 - (frame > 30 ? 5_000 : 0)],
];

describe.each(sources)('%s reads timestamps', (_, source, missing) => {
  beforeAll(async () => {
    clip ??= await makeClip({ width: 160, height: 120, fps: 25, seconds: 2, seed: 3 });
  });

  it.skipIf(missing).each(stamps)('%s', async (_what, stamp) => {
    await using server = await stamping(stamp);
    await using camera = attempt(source, { url: server.url, maxFps: 15, freezeMs: 0 });
    const frames = await camera.reached(30);
    for (const { times } of frames) expect(times.arrivedAt - times.capturedAt).toBeLessThan(400);
  });
});
