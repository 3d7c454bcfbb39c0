import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { percentile } from '../../agent/bench/figures.ts';
import { latencyOf, settle } from '../../agent/bench/settle.ts';
import { firstVerdict, type Precision } from './agent-process.ts';
import { clipCameraMissing } from './clip.ts';
import { type Benchmark, interleaved, type Row } from './harness.ts';
import { observe } from './observe.ts';
import { stageRows } from './stages.ts';
import type { Workshop } from './workshop.ts';

const rounds = 2;
const size = { width: 1280, height: 720 };

/**
 * Latency of verdicts at half of the maximum rate of one camera, divided by the time of inference alone at the same rate.
 * Latency is measured from capture, the arrival of the frame, to the subscriber. The time before, up to one frame interval
 * from the part in place to the next frame, depends on the camera; it is neither included nor subtracted.
 */
export const halfLoad: Benchmark = {
  name: 'half-load',
  missing: clipCameraMissing,
  async run(workshop) {
    const rows: Row[] = [];
    for (const precision of workshop.precisions) rows.push(...(await measured(workshop, precision)));
    return rows;
  },
};

async function measured(workshop: Workshop, precision: Precision): Promise<Row[]> {
  const saturated = await fullSpeed(workshop, precision);
  // The frame rate is twice the part rate: each part has its own frame, and the camera is not the limit.
  const pace = saturated / 2;
  const everyMs = Math.round(1000 / pace);
  const fps = Math.ceil(pace * 2);
  const threads = availableParallelism();
  const seconds = Math.max(10, workshop.seconds);
  await using camera = await workshop.camera({ ...size, fps, seconds: seconds + 60 });
  const results = await interleaved(rounds, {
    bare: () => workshop.bare({ threads, precision, options: 'agent', seconds, everyMs }),
    async agent() {
      const trigger = { kind: 'continuous', everyMs };
      await using agent = await workshop.agent({
        cameras: { line: { url: camera.url, trigger, maxFps: fps } },
        precision,
      });
      await firstVerdict(agent);
      await settle(agent.arrived, { minMs: 2_000, maxMs: 10_000 });
      return await observe(agent, seconds);
    },
  });
  const bare = results.flatMap((one) => one.bare.milliseconds);
  const arrived = results.flatMap(({ agent }) => agent.arrived);
  const latencies = arrived.map(latencyOf);
  const both = (what: string, values: readonly number[]) =>
    [50, 99].map((p) => ({
      what: `${what}, ${precision}, p${p} of ${values.length}`,
      figure: percentile(values, p / 100),
      unit: 'ms',
    }));
  return [
    {
      what: `capture to subscriber / bare inference, both p99 at half load, ${precision}`,
      figure: percentile(latencies, 0.99) / percentile(bare, 0.99),
      unit: '×',
      target: { atMost: 1.5 },
    },
    {
      what: `the same of the medians, ${precision}`,
      figure: percentile(latencies, 0.5) / percentile(bare, 0.5),
      unit: '×',
    },
    ...both('capture to subscriber', latencies),
    ...both('bare inference at that rate', bare),
    ...stageRows(arrived, `of which, ${precision}`),
    { what: `full speed of one camera, ${precision}`, figure: saturated, unit: 'parts/s' },
    {
      what: `parts that came at half load, ${precision}`,
      figure: latencies.length / rounds / seconds,
      unit: 'parts/s',
    },
  ];
}

/** Parts per second of one camera that sends more frames than the model can process. */
async function fullSpeed(workshop: Workshop, precision: Precision): Promise<number> {
  const threads = availableParallelism();
  const bare = await workshop.bare({ threads, precision, options: 'agent', seconds: 2 });
  const fps = Math.max(30, Math.ceil(1.25 * bare.perSecond));
  await using camera = await workshop.camera({ ...size, fps, seconds: 60 });
  const trigger = { kind: 'continuous', everyMs: 1 };
  const cameras = { line: { url: camera.url, trigger, maxFps: fps } };
  await using agent = await workshop.agent({ cameras, precision });
  await firstVerdict(agent);
  await sleep(1_000);
  return (await observe(agent, workshop.seconds)).perSecond;
}
