/** One step: runs a number of simulated cameras for some time and evaluates the results. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Region } from '../../models/image.ts';
import { type RunningAgent, startAgent } from './agent-process.ts';
import { type Cores, coresOf, usage } from './cores.ts';
import { type Counted, countLost, lostOf } from './count.ts';
import { percentile } from './figures.ts';
import { processTree, pssMb } from './proc.ts';
import { type Arrived, unjudged } from './results.ts';
import { latencyOf, settle } from './settle.ts';
import type { World } from './world.ts';

export interface StepOptions {
  /** Pid of the process with the subscriber. */
  readonly pid: number;
  readonly world: World;
  /** Sections of the configuration without the cameras. */
  readonly settings: object;
  readonly folder: string;
  /** Parts per second of each camera. */
  readonly rate: number;
  /** Length of the measurement, s. */
  readonly seconds: number;
  /** Maximum p99 latency from capture to subscriber, ms. */
  readonly limitMs: number;
  readonly signal: AbortSignal;
}

export interface Step {
  readonly cameras: number;
  /** Start of the measurement, UTC; the figures cover `seconds` from then on. */
  readonly startedAt: string;
  readonly seconds: number;
  /** Results that arrived. */
  readonly parts: number;
  /** Judged and requested parts per second. */
  readonly perSecond: number;
  readonly asked: number;
  readonly lost: Counted;
  /** Capture to subscriber. */
  readonly latencyMs: { readonly p50: number; readonly p95: number; readonly p99: number };
  /** CPU time used, in cores; null except on Linux. */
  readonly cores: Cores | null;
  /** Memory of all processes of the agent (PSS); null except on Linux. */
  readonly memoryMb: number | null;
  /** Why the step failed; null if it succeeded. */
  readonly tooMuch: string | null;
}

const startMs = 90_000;
const warmUp = { minMs: 2_000, maxMs: 12_000 };
/** Required share of the requested parts, apart from one of each camera that may be in progress at the end. */
const minShare = 0.97;

export async function runStep(cameras: number, options: StepOptions): Promise<Step> {
  const { world, settings, folder, rate, seconds, signal } = options;
  const everyMs = Math.round(1000 / rate);
  const names = world.urls.slice(0, cameras).map((_, at) => `drawn-${at + 1}`);
  const camera = (url: string, region: Region) => ({
    url,
    region,
    trigger: { kind: 'continuous', everyMs },
    simulated: true,
  });
  const all = Object.fromEntries(names.map((name, at) => [name, camera(world.urls[at]!, world.region)]));
  await using agent = await startAgent({
    settings: { ...settings, cameras: all },
    broker: world.broker,
    folder,
  });
  await Promise.race([agent.failed, allJudged(agent, names, signal)]);
  await Promise.race([agent.failed, settle(agent.arrived, { ...warmUp, signal })]);

  const from = agent.arrived.length;
  const startedAt = new Date();
  const startedMs = performance.now();
  const before = usage(agent.pid, [options.pid, world.pid]);
  await Promise.race([agent.failed, sleep(seconds * 1000, undefined, { signal })]);
  const after = usage(agent.pid, [options.pid, world.pid]);
  const arrived = agent.arrived.slice(from);
  const elapsed = (performance.now() - startedMs) / 1000;
  const memory = pssMb(processTree(agent.pid));
  return judged({
    cameras,
    startedAt: startedAt.toISOString(),
    seconds: elapsed,
    ...figuresOf(arrived, elapsed),
    asked: cameras * rate,
    lost: countLost(
      arrived.map(({ result }) => result),
      names,
      { everyMs, seconds: elapsed },
    ),
    cores: after.main === 0 ? null : coresOf(before, after, elapsed),
    memoryMb: memory === 0 ? null : memory,
  });

  function judged(step: Omit<Step, 'tooMuch'>): Step {
    return { ...step, tooMuch: whyTooMuch(step, options.limitMs) };
  }
}

/** Waits until a part of every camera was judged. */
async function allJudged(agent: RunningAgent, names: readonly string[], signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + startMs;
  const missing = () => unjudged(agent.arrived, names);
  while (missing().length > 0) {
    if (performance.now() > deadline)
      throw new Error(`no part of ${missing().join(', ')} was judged in time`);
    await sleep(50, undefined, { signal });
  }
}

function figuresOf(arrived: readonly Arrived[], seconds: number) {
  const completed = arrived.filter(({ result }) => result.state === 'completed');
  const latencies = completed.map(latencyOf);
  const [p50 = 0, p95 = 0, p99 = 0] = [0.5, 0.95, 0.99].map((share) => percentile(latencies, share));
  return {
    parts: arrived.length,
    perSecond: completed.length / seconds,
    latencyMs: { p50, p95, p99 },
  };
}

/** @returns null if the step succeeded */
export function whyTooMuch(
  step: Pick<Step, 'cameras' | 'seconds' | 'lost' | 'perSecond' | 'asked' | 'latencyMs'>,
  limitMs: number,
): string | null {
  const { cameras, seconds, lost, perSecond, asked, latencyMs } = step;
  if (lostOf(lost) > 0) return `${lostOf(lost)} parts lost`;
  if (perSecond < minShare * asked - cameras / seconds)
    return `${perSecond.toFixed(1)} parts/s instead of ${asked}`;
  if (!(latencyMs.p99 <= limitMs)) return `p99 ${Math.round(latencyMs.p99)} ms is above ${limitMs} ms`;
  return null;
}
