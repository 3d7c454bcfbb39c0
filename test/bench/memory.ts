import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Proportional, proportionalMb } from '../../agent/bench/proc.ts';
import { firstVerdict } from './agent-process.ts';
import { clipCameraMissing } from './clip.ts';
import { type Benchmark, median, slope } from './harness.ts';

const clip = { width: 1920, height: 1080, fps: 25 };
const warmUpSeconds = 30;
const everyMs = 2_000;

/** Memory of all the agent's processes with one full-HD camera, compared with the bare loop, and its growth. */
export const memory: Benchmark = {
  name: 'memory',
  missing: clipCameraMissing,
  async run(workshop) {
    const threads = availableParallelism();
    const bare = await workshop.bare({ threads, options: 'agent', seconds: workshop.seconds });
    const seconds = workshop.minutes * 60;
    await using camera = await workshop.camera({ ...clip, seconds: seconds + warmUpSeconds + 60 });
    const trigger = { kind: 'continuous', everyMs: 200 };
    await using agent = await workshop.agent({ cameras: { line: { url: camera.url, trigger } }, threads });
    await firstVerdict(agent);
    await sleep(warmUpSeconds * 1000);
    const samples: { minute: number; main: Proportional; cameras: Proportional }[] = [];
    for (let minute = 0, from = performance.now(); minute < workshop.minutes; ) {
      const cameras = proportionalMb(agent.tree().filter((pid) => pid !== agent.pid));
      const main = proportionalMb([agent.pid]);
      samples.push({ minute, main, cameras });
      // In real use Prometheus reads the metrics.
      await (await fetch(`${agent.url}/metrics`)).text();
      await sleep(everyMs);
      minute = (performance.now() - from) / 60_000;
    }
    const series = (key: keyof Proportional) =>
      samples.map(({ minute, main, cameras }) => ({ x: minute, y: main[key] + cameras[key] }));
    const all = series('all');
    const anonymous = series('anonymous');
    const pss = median(all.map(({ y }) => y));
    return [
      {
        what: 'PSS of all processes over that of the bare loop',
        figure: pss - bare.pssMb,
        unit: 'MB',
        target: { atMost: 200 },
      },
      { what: 'PSS of all processes, 1080p25 camera, 5 parts/s', figure: pss, unit: 'MB' },
      { what: 'PSS of the main process', figure: median(samples.map(({ main }) => main.all)), unit: 'MB' },
      {
        what: "PSS of the camera's process",
        figure: median(samples.map(({ cameras }) => cameras.all)),
        unit: 'MB',
      },
      { what: 'PSS of the bare loop', figure: bare.pssMb, unit: 'MB' },
      {
        what: `slope over ${workshop.minutes} min after ${warmUpSeconds} s of warm-up`,
        figure: slope(all),
        unit: 'MB/min',
        target: { below: 1 },
        points: all,
      },
      {
        what: 'the same for private memory',
        figure: slope(anonymous),
        unit: 'MB/min',
        points: anonymous,
      },
    ];
  },
};
