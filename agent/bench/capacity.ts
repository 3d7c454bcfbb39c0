/** Evaluates the steps: how many cameras fit, what limits them, and estimates for other rates. */
import type { Cores } from './cores.ts';
import type { Step } from './step.ts';

export interface Limit {
  readonly by: 'inference' | 'decoding' | 'event loop' | 'outside' | 'latency' | 'nothing';
  readonly why: string;
}

/** A thread that is busy for this share of the time is the bottleneck. */
const busyThread = 0.85;
/** A machine that is busy for this share of the time has no capacity for another camera. */
const busyMachine = 0.85;
/** Share of the machine that can be planned: the rest is for the operating system, peaks and training. */
const planned = 0.8;

/** The numbers of cameras to try, in this order, while no step fails. */
export function counts(most: number): number[] {
  const found: number[] = [];
  for (let count = 1, step = 1; count < most; count += step) {
    found.push(count);
    // 1, 2, 3, 4, 6, 8, 12, 16, 24 …
    if (count >= 4 * step) step *= 2;
  }
  return [...found, most];
}

/** The step with the largest number of cameras below which no step failed; undefined if the first failed. */
export function fitting(steps: readonly Step[]): Step | undefined {
  const failed = Math.min(...steps.filter(({ tooMuch }) => tooMuch !== null).map(({ cameras }) => cameras));
  return steps
    .filter(({ tooMuch, cameras }) => tooMuch === null && cameras < failed)
    .toSorted((a, b) => b.cameras - a.cameras)[0];
}

/** The limit that the first failed step has reached. */
export function limitOf(steps: readonly Step[], machineCores: number): Limit {
  const failed = steps.filter(({ tooMuch }) => tooMuch !== null).toSorted((a, b) => a.cameras - b.cameras)[0];
  if (!failed) {
    return { by: 'nothing', why: 'all tried numbers of cameras fit; try more with --cameras' };
  }
  const { cameras, tooMuch, cores } = failed;
  const what = `${cameras} camera${cameras > 1 ? 's' : ''}: ${tooMuch}`;
  if (!cores)
    return { by: 'latency', why: `${what}; the distribution of the CPU time is only known on Linux` };
  if (cores.loop > busyThread) {
    return {
      by: 'event loop',
      why: `${what}; the agent's event loop was busy ${percent(cores.loop)} of the time`,
    };
  }
  const used = total(cores) / machineCores;
  if (used < busyMachine) {
    return {
      by: 'latency',
      why: `${what}, although only ${percent(used)} of the machine was used: because of other programs, or of parts that arrive at the same time`,
    };
  }
  const shares = [
    ['inference', cores.inference],
    ['decoding', cores.decoders],
    ['outside', cores.outside],
  ] as const;
  const [by, most] = shares.reduce((one, other) => (other[1] > one[1] ? other : one));
  const name = by === 'outside' ? 'the simulated cameras and the broker' : by;
  return {
    by,
    why: `${what}; ${percent(used)} of the machine was used, most of it (${percent(most / machineCores)}) by ${name}`,
  };
}

export interface Estimate {
  readonly rate: number;
  readonly cameras: number;
}

/**
 * Estimates how many cameras fit at other rates, from the CPU time of a part and of a camera's decoder. Cameras and broker
 * run elsewhere on a real line and do not count. Empty if the CPU time is unknown.
 */
export function estimates(step: Step, machineCores: number, rates: readonly number[]): Estimate[] {
  const { cores, cameras, perSecond } = step;
  if (!cores || perSecond === 0) return [];
  const decoder = cores.decoders / cameras;
  const part = (cores.inference + cores.loop) / perSecond;
  return rates.map((rate) => ({
    rate,
    cameras: Math.floor((planned * machineCores) / (decoder + rate * part)),
  }));
}

const total = ({ inference, loop, decoders, outside }: Cores) => inference + loop + decoders + outside;
const percent = (share: number) => `${Math.round(100 * share)} %`;
