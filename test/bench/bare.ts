import { fork } from 'node:child_process';
import { once } from 'node:events';
import { pssMb } from '../../agent/bench/proc.ts';
import type { Base } from '../../models/base.ts';

export interface BareOptions {
  /** The model, as a file that onnxruntime opens itself: a copy in memory would favour the agent in the comparison. */
  readonly base: Base;
  readonly threads: number;
  /** Session options: those of the agent, or the defaults of onnxruntime. */
  readonly options: 'agent' | 'defaults';
  readonly seconds: number;
  /** Interval between inferences, ms; without it each begins when the last one ends. */
  readonly everyMs?: number;
}

/** The loop's own measurement. */
export interface FromBare {
  readonly perSecond: number;
  /** Time of each inference, ms. */
  readonly milliseconds: readonly number[];
  /** CPU time of one inference, all threads, ms. */
  readonly cpuMs: number;
}

export interface BareResult extends FromBare {
  readonly pssMb: number;
}

export interface BareTask extends Omit<BareOptions, 'base'> {
  readonly model: string;
  readonly input: string;
  readonly dims: readonly number[];
  /** Sizes of the graph's free dimensions: one image at a time. */
  readonly dimensions: Readonly<Record<string, number>>;
}

/** Runs the loop in its own process and measures its memory before the process ends. */
export async function runBare({ base, ...options }: BareOptions): Promise<BareResult> {
  const { manifest, model, dimensions } = base;
  if (typeof model !== 'string') throw new Error(`${base.file} is not a file that onnxruntime can open`);
  const { name, layout, width, height } = manifest.input;
  const dims = layout === 'NCHW' ? [1, 3, height, width] : [1, height, width, 3];
  const task: BareTask = { ...options, model, input: name, dims, dimensions };
  const child = fork(new URL('./bare-loop.js', import.meta.url), [JSON.stringify(task)]);
  const exited = once(child, 'exit');
  try {
    const figures = await new Promise<FromBare>((resolve, reject) => {
      child.once('message', resolve);
      child.once('exit', (code) => reject(new Error(`the bare loop ended with exit ${code}`)));
    });
    return { ...figures, pssMb: pssMb([child.pid!]) };
  } finally {
    child.kill('SIGKILL');
    await exited;
  }
}
