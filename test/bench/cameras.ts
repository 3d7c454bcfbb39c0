import { availableParallelism } from 'node:os';
import { type Counted, countLost, lostOf } from '../../agent/bench/count.ts';
import { percentile } from '../../agent/bench/figures.ts';
import { pssMb } from '../../agent/bench/proc.ts';
import { unjudged } from '../../agent/bench/results.ts';
import { latencyOf, settle } from '../../agent/bench/settle.ts';
import { until } from '../rigs/until.ts';
import type { Precision, RunningAgent } from './agent-process.ts';
import { clipCameraMissing } from './clip.ts';
import { type Benchmark, type Row, slope } from './harness.ts';
import { type Observed, observe } from './observe.ts';
import type { Workshop } from './workshop.ts';

const size = { width: 1280, height: 720 };
/** 5 parts per second of each camera. */
const everyMs = 200;
/** Setting with a target. */
const wanted = { cameras: 8, p99Ms: 250, mbForOneMore: 100 };

interface Setting {
  readonly cameras: number;
  readonly precision: Precision;
  /** Frame rate of each camera. */
  readonly fps: number;
}

const settings: readonly Setting[] = [
  ...[1, 2, 4, 8, 16].map((cameras) => ({ cameras, precision: 'int8' as const, fps: 10 })),
  { cameras: 8, precision: 'int8', fps: 25 },
  ...[1, 2].map((cameras) => ({ cameras, precision: 'fp32' as const, fps: 10 })),
];

/** Load of one computer with an increasing number of cameras of 1280 × 720, each with 5 parts per second. */
export const cameras: Benchmark = {
  name: 'cameras',
  missing: clipCameraMissing,
  async run(workshop) {
    const rows: Row[] = [];
    const memory: { x: number; y: number }[] = [];
    for (const setting of settings) {
      const seen = await watch(workshop, setting);
      rows.push(...describe(setting, seen));
      if (setting.precision === 'int8' && setting.fps === 10)
        memory.push({ x: setting.cameras, y: seen.pss });
    }
    rows.push({
      what: `PSS for each added camera, its decoder included (slope, 1 to ${memory.at(-1)?.x})`,
      figure: slope(memory),
      unit: 'MB',
      target: { atMost: wanted.mbForOneMore },
    });
    return rows;
  },
};

interface Observation extends Observed, Counted {
  readonly seconds: number;
  /** Memory of all the agent's processes, MB. */
  readonly pss: number;
}

async function watch(workshop: Workshop, { cameras: count, precision, fps }: Setting): Promise<Observation> {
  // A 99th percentile needs many parts: the setting with a target is measured longest.
  const seconds = count === wanted.cameras ? Math.max(15, workshop.seconds) : workshop.seconds;
  await using server = await workshop.camera({ ...size, fps, seconds: seconds + 90 }, count);
  const trigger = { kind: 'continuous', everyMs };
  const cameras = Object.fromEntries(server.urls.map((url, at) => [`camera-${at + 1}`, { url, trigger }]));
  await using agent = await workshop.agent({ cameras, precision });
  await allJudged(agent, Object.keys(cameras));
  await settle(agent.arrived, { minMs: 3_000, maxMs: 15_000 });
  const observed = await observe(agent, seconds);
  return {
    ...observed,
    ...countLost(
      observed.arrived.map(({ result }) => result),
      Object.keys(cameras),
      { everyMs, seconds },
    ),
    seconds,
    pss: pssMb(agent.tree()),
  };
}

/** Waits for a verdict from every camera. */
async function allJudged(agent: RunningAgent, names: readonly string[]): Promise<void> {
  await until(() => unjudged(agent.arrived, names).length === 0, {
    timeoutMs: 60_000,
    what: 'a verdict of every camera',
  });
}

function describe({ cameras: count, precision, fps }: Setting, seen: Observation): Row[] {
  const on = `${count} × ${fps} fps, ${precision}`;
  const asked = (count * 1000) / everyMs;
  const held = count === wanted.cameras && precision === 'int8';
  const machine = availableParallelism();
  const share = (cores: number) => (100 * cores) / machine;
  const { inference, loop, decoders, outside } = seen.cores;
  const latencies = seen.arrived.filter(({ result }) => result.state === 'completed').map(latencyOf);
  const latency = (p: number, target?: Row['target']): Row => ({
    what: `${on}: capture to subscriber, p${p} of ${latencies.length}`,
    figure: percentile(latencies, p / 100),
    unit: 'ms',
    ...(target && { target }),
  });
  return [
    {
      what: `${on}: dropped: skipped ${seen.skipped}, gaps ${seen.gaps}, failed ${seen.failed}`,
      figure: lostOf(seen),
      unit: 'parts',
      ...(held && { target: { atMost: 0 } }),
    },
    {
      what: `${on}: parts a second over the ${asked} asked for`,
      figure: latencies.length / seen.seconds / asked,
      unit: '×',
    },
    latency(50),
    latency(95),
    latency(99, held ? { atMost: wanted.p99Ms } : undefined),
    { what: `${on}: CPU of the agent`, figure: share(inference + loop + decoders), unit: '% machine' },
    { what: `${on}: of which preparation and inference`, figure: share(inference), unit: '% machine' },
    { what: `${on}: of which the event loop`, figure: share(loop), unit: '% machine' },
    { what: `${on}: of which decoders`, figure: share(decoders), unit: '% machine' },
    { what: `${on}: outside: camera server, broker, subscriber`, figure: share(outside), unit: '% machine' },
    { what: `${on}: memory of all processes (PSS)`, figure: seen.pss, unit: 'MB' },
  ];
}
