import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { percentile } from '../../agent/bench/figures.ts';
import { latencyOf } from '../../agent/bench/settle.ts';
import { firstVerdict } from './agent-process.ts';
import { clipCameraMissing } from './clip.ts';
import { type Benchmark, interleaved } from './harness.ts';
import { observe } from './observe.ts';
import { stageRows } from './stages.ts';

const rounds = 2;
const everyMs = 100;

/**
 * Time from the capture of a frame to its result at a subscriber at 10 parts/s, and the time of inference alone at the same
 * rate. Capture is `capturedAt` of the result (arrival, smoothed by the stream's clock); all times are of one clock.
 */
export const latency: Benchmark = {
  name: 'latency',
  missing: clipCameraMissing,
  async run(workshop) {
    const threads = availableParallelism();
    const seconds = Math.max(10, workshop.seconds);
    await using camera = await workshop.camera({ width: 640, height: 480, fps: 25, seconds: seconds + 60 });
    const url = camera.url;
    const results = await interleaved(rounds, {
      bare: () => workshop.bare({ threads, options: 'agent', seconds, everyMs }),
      async agent() {
        const trigger = { kind: 'continuous', everyMs };
        await using agent = await workshop.agent({ cameras: { line: { url, trigger } }, threads });
        await firstVerdict(agent);
        await sleep(2_000);
        return await observe(agent, seconds);
      },
    });
    const arrived = results.flatMap(({ agent }) => agent.arrived);
    const row = (what: string, values: readonly number[]) =>
      ([50, 99] as const).map((p) => ({
        what: `${what}, p${p} of ${values.length}`,
        figure: percentile(values, p / 100),
        unit: 'ms',
      }));
    return [
      ...row('capture to result at the subscriber', arrived.map(latencyOf)),
      ...stageRows(arrived, 'of which'),
      ...row(
        'bare inference at the same rate',
        results.flatMap(({ bare }) => bare.milliseconds),
      ),
    ];
  },
};
