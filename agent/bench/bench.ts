/**
 * `qc-agent bench`, top to bottom: the model alone, preparation alone, then the whole agent in its own process with an
 * increasing number of simulated cameras, until parts are lost or late. Everything is in a temporary folder and on loopback
 * ports.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { QcError } from '../../config/errors.ts';
import type { Config } from '../../config/schema.ts';
import { Closer } from '../lifecycle/closer.ts';
import { counts, type Estimate, estimates, fitting, type Limit, limitOf } from './capacity.ts';
import {
  type InferenceFigures,
  measureInference,
  measurePreparation,
  type PreparationFigures,
} from './inference.ts';
import { describeMachine, type Machine } from './machine.ts';
import { copyModel, makeEightBits, useDemoHead } from './model.ts';
import { runStep, type Step } from './step.ts';
import { openWorld } from './world.ts';

export interface BenchOptions {
  /** Maximum number of cameras. */
  readonly cameras: number;
  /** Parts per second of each camera, a whole number. */
  readonly rate: number;
  /** Length of each measurement, s. */
  readonly seconds: number;
  /** Maximum p99 latency from capture to subscriber, ms. */
  readonly limitMs: number;
  /** Size of the cameras' images, pixels. */
  readonly width: number;
  readonly height: number;
  /** Also make an int8 variant if there is none. */
  readonly int8: boolean;
}

export interface BenchDeps {
  /** Pid of this process, which subscribes. */
  readonly pid: number;
  readonly signal: AbortSignal;
  /** Called with the current step, one line. */
  readonly tell: (text: string) => void;
}

export interface BenchReport {
  readonly schema: 1;
  readonly machine: Machine;
  readonly inference: readonly (InferenceFigures | { readonly precision: string; readonly why: string })[];
  readonly preparation: PreparationFigures;
  /** Settings of each camera. */
  readonly line: {
    readonly width: number;
    readonly height: number;
    readonly fps: number;
    readonly rate: number;
    readonly limitMs: number;
  };
  /** The model used in the steps. */
  readonly model: { readonly base: string; readonly precision: string; readonly provider: string };
  /** In order of execution. */
  readonly steps: readonly Step[];
  /** The largest number of cameras with no part lost or late; 0: none. */
  readonly fits: number;
  readonly limit: Limit;
  /** By calculation, not measured. */
  readonly estimates: readonly Estimate[];
}

type Measured = Pick<Config, 'model' | 'labels' | 'thresholds'>;

/** Minimum frame rate of a camera; a part comes with every n-th frame. */
const minFps = 10;
const clipSeconds = 4;
const otherRates = [1, 2, 5, 10, 20];

/**
 * @param user configuration whose model is measured; undefined: the embedded one. @throws QcError errors of the model; the
 * reason of the signal
 */
export async function runBench(
  defaults: Measured,
  user: Config | undefined,
  options: BenchOptions,
  deps: BenchDeps,
): Promise<BenchReport> {
  const { rate, seconds, limitMs, width, height } = options;
  const { signal, tell, pid } = deps;
  await using opened = new Closer();
  const folder = await mkdtemp(join(tmpdir(), 'qc-agent-bench-'));
  opened.defer(() => rm(folder, { recursive: true, force: true }));
  const storage = join(folder, 'storage');
  await mkdir(storage);
  const machine = describeMachine();
  const { model, labels, thresholds } = user ?? defaults;

  if (user) await copyModel(user, storage);
  else await useDemoHead(model, storage);
  const inference: BenchReport['inference'][number][] = [];
  for (const precision of ['fp32', 'int8'] as const) {
    tell(`the model alone, ${precision} …`);
    const measure = () => measureInference(model, storage, precision, { seconds, signal });
    let figures = await measure();
    if (typeof figures === 'string' && precision === 'int8' && options.int8) {
      tell('making an 8-bit variant from simulated parts …');
      await makeEightBits({ model, labels, thresholds }, storage, {
        signal,
        onNotice: tell,
        onProgress: () => undefined,
      });
      figures = await measure();
    }
    inference.push(typeof figures === 'string' ? { precision, why: figures } : figures);
  }
  tell(`what the agent would use (model.precision ${model.precision}) …`);
  const used = await measureInference(model, storage, model.precision, { seconds: 0, signal });
  if (typeof used === 'string') throw new QcError('precision-unavailable', used);

  const fps = rate * Math.ceil(minFps / rate);
  tell(`drawing ${clipSeconds} s of ${width} × ${height} at ${fps} frames/s …`);
  const world = opened.use(
    await openWorld({ cameras: options.cameras, width, height, fps, seconds: clipSeconds, seed: 1 }),
  );
  tell(`its broker is ${world.broker}`);
  const region = {
    width: Math.round(world.region.width * width),
    height: Math.round(world.region.height * height),
  };
  const preparation = await measurePreparation(used.input, region, signal);

  const steps: Step[] = [];
  const step = async (cameras: number) => {
    tell(`${cameras} camera${cameras > 1 ? 's' : ''}, ${rate} parts/s each …`);
    const settings = { model, labels, thresholds };
    const done = await runStep(cameras, { pid, world, settings, folder, rate, seconds, limitMs, signal });
    steps.push(done);
    return done.tooMuch === null;
  };
  let fits = 0;
  let tooMany = options.cameras + 1;
  for (const count of counts(options.cameras)) {
    if (await step(count)) fits = count;
    else tooMany = count;
    if (tooMany === count) break;
  }
  // Tries numbers between the last that fitted and the first that did not.
  while (tooMany - fits > 1 && fits > 0 && tooMany <= options.cameras) {
    const middle = Math.floor((fits + tooMany) / 2);
    if (await step(middle)) fits = middle;
    else tooMany = middle;
  }

  const best = fitting(steps);
  const { base, precision, provider } = used;
  return {
    schema: 1,
    machine,
    inference,
    preparation,
    line: { width, height, fps, rate, limitMs },
    model: { base, precision, provider },
    steps,
    fits: best?.cameras ?? 0,
    limit: limitOf(steps, machine.cores),
    estimates: best ? estimates(best, machine.cores, otherRates) : [],
  };
}
