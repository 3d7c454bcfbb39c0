import { fork } from 'node:child_process';
import { once } from 'node:events';
import { pssMb } from '../../agent/bench/proc.ts';
import type { Base } from '../../models/base.ts';

export interface BareOptions {
  /** The model; a file that runs as it is, since a copy in memory would make the comparison easier. */
  readonly base: Base;
  readonly threads: number;
  /** Session options: those of the agent, or onnxruntime's own for whatever the caller does not name. */
  readonly options: 'agent' | 'defaults';
  readonly seconds: number;
  /** One inference so often instead of one after the other, ms. */
  readonly everyMs?: number;
}

/** What the loop says of itself. */
export interface FromBare {
  readonly perSecond: number;
  /** Each inference, ms. */
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
  /** Free dimensions of the graph: an image at a time. */
  readonly dimensions: Readonly<Record<string, number>>;
}

/** Runs the loop in its own process and measures its memory at the end, while it still has it. */
export async function runBare({ base, ...options }: BareOptions): Promise<BareResult> {
  const { manifest, model, dimensions } = base;
  if (typeof model !== 'string') throw new Error(`${base.file} does not run as it is`);
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
