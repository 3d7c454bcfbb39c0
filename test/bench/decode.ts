import { setTimeout as sleep } from 'node:timers/promises';
import { firstVerdict } from './agent-process.ts';
import { clipCameraMissing } from './clip.ts';
import { decodesOnly, receivesOnly } from './decode-only.ts';
import { type Benchmark, interleaved, median, type Row } from './harness.ts';
import { observe } from './observe.ts';
import { watchCommand } from './peers/peer.ts';

const rounds = 3;
const clip = { width: 1920, height: 1080, fps: 25 };
/** 8 judged frames a second. */
const trigger = { kind: 'continuous', everyMs: 125 };
const regions = {
  'region of 0.5 × 0.8': { x: 0.25, y: 0.1, width: 0.5, height: 0.8 },
  'the whole image': { x: 0, y: 0, width: 1, height: 1 },
} as const;

/**
 * CPU time for a full-HD camera: 25 frames per second are decoded; 8 of them are cropped, converted and passed to the
 * agent.
 */
export const decode: Benchmark = {
  name: 'decode',
  missing: clipCameraMissing,
  async run(workshop) {
    const { seconds } = workshop;
    await using camera = await workshop.camera({ ...clip, seconds: seconds + 60 });
    const url = camera.url;
    const watch = (region: object, decoder: string) => async () => {
      await using agent = await workshop.agent({
        cameras: { line: { url, trigger, region, decoder } },
        threads: 1,
      });
      await firstVerdict(agent);
      await sleep(1_000);
      return await observe(agent, seconds);
    };
    const floor = await interleaved(rounds, {
      receiving: () => watchCommand(receivesOnly(url), seconds),
      decoding: () => watchCommand(decodesOnly(url), seconds),
    });
    const rows: Row[] = [
      {
        what: 'lower bound: ffmpeg that receives the stream and decodes nothing',
        figure: median(floor.map(({ receiving }) => receiving.cores)) * 100,
        unit: '% core',
      },
      {
        what: 'lower bound: ffmpeg that decodes every frame and discards it',
        figure: median(floor.map(({ decoding }) => decoding.cores)) * 100,
        unit: '% core',
      },
    ];
    for (const [region, fractions] of Object.entries(regions)) {
      const results = await interleaved(rounds, {
        bundled: watch(fractions, 'node-av'),
        command: watch(fractions, 'ffmpeg'),
      });
      const of = (figure: (result: (typeof results)[number]) => number) => median(results.map(figure));
      rows.push(
        {
          what: `bundled decoder, its process, ${region}`,
          figure: of(({ bundled }) => bundled.cores.decoders) * 100,
          unit: '% core',
          target: { atMost: 16 },
        },
        {
          what: `the agent's event loop meanwhile: receiving frames, publishing, ${region}`,
          figure: of(({ bundled }) => bundled.cores.loop) * 100,
          unit: '% core',
        },
        {
          what: `judged, ${region}`,
          figure: of(({ bundled }) => bundled.perSecond),
          unit: 'parts/s',
          target: { atLeast: 7.8 },
        },
        {
          what: `ffmpeg command instead: its process, ${region}`,
          figure: of(({ command }) => command.cores.decoders) * 100,
          unit: '% core',
        },
        {
          what: `ffmpeg command instead: the event loop, ${region}`,
          figure: of(({ command }) => command.cores.loop) * 100,
          unit: '% core',
        },
      );
    }
    return rows;
  },
};
