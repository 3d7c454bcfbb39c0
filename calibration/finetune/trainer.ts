/**
 * Fine-tunes the last block of a base together with a linear head that was trained before (linear probing first, then fine-tuning;
 * Kumar et al., ICLR 2022, arXiv 2202.10054).
 */
import type { OnnxTensor } from '../../models/onnx/proto.ts';
import type { Tail } from '../../models/onnx/tail.ts';
import { beta, forwardGraph, stepGraph, trainedOf } from '../../models/onnx/training-step.ts';
import { openSteps, type Values } from '../../models/run/session-graph.ts';
import { seededRandom } from '../train/random.ts';
import type { Entries } from './entries.ts';

export interface TrainerOptions {
  readonly block: {
    readonly tail: Tail;
    readonly weights: readonly OnnxTensor[];
    readonly start: ReadonlyMap<string, Float32Array>;
    shapes(batch: number): ReadonlyMap<string, readonly number[]>;
  };
  readonly entries: Entries;
  readonly classes: number;
  readonly batch: number;
  readonly threads: number;
  readonly rates: Rates;
}

export interface Rates {
  /** Step of the base's weights. */
  readonly base: number;
  readonly head: number;
  /** L2-SP, in one step of rate 1. */
  readonly decay: number;
  readonly headDecay: number;
}

/** A linear head on standardised Hellinger features. */
export interface StartHead {
  readonly mean: Float32Array;
  readonly scale: Float32Array;
  /** [K,D] */
  readonly weights: Float32Array;
  readonly bias: Float32Array;
}

/** Weights, their start and the moments of the optimiser; what a checkpoint contains. */
export interface TrainState {
  readonly head: Pick<StartHead, 'mean' | 'scale'>;
  readonly start: ReadonlyMap<string, Float32Array>;
  values: ReadonlyMap<string, Float32Array>;
  moments: ReadonlyMap<string, Float32Array>;
  steps: number;
  epochs: number;
}

/** An image of the training set. */
export interface Row {
  /** Its record in the entries. */
  readonly index: number;
  /** Class. */
  readonly target: number;
  /** Weight in the loss; the mean over all rows is 1. */
  readonly weight: number;
}

export interface EpochOptions {
  readonly seed: number;
  /** Share of the full rate. */
  readonly rate: number;
  /** Mirror the maps at random: horizontally, vertically. */
  readonly mirrored: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly onStep?: (() => void) | undefined;
}

export interface Trainer extends AsyncDisposable {
  readonly batch: number;
  begin(head: StartHead): TrainState;
  /** One pass over the rows. @returns mean loss */
  epoch(state: TrainState, rows: readonly Row[], options: EpochOptions): Promise<number>;
  /** Probabilities [n][K] and raw features [n][D]. */
  predict(
    state: TrainState,
    indices: readonly number[],
    signal?: AbortSignal,
  ): Promise<{ probabilities: number[][]; features: Float32Array[] }>;
}

export async function openTrainer(options: TrainerOptions): Promise<Trainer> {
  const { block, entries, classes, batch, threads, rates } = options;
  const { tail, start } = block;
  const shapes = block.shapes(batch);
  const graph = {
    tail,
    weights: block.weights,
    shapes,
    classes,
    decay: rates.decay,
    headDecay: rates.headDecay,
  };
  const trained = trainedOf(graph);
  const step = await openSteps(stepGraph(graph), threads);
  const forward = await openSteps(forwardGraph(graph), threads);
  const filled = (name: string): Values & { data: Float32Array } => {
    const dims = shapes.get(name)!;
    return { data: new Float32Array(dims.reduce((a, b) => a * b, 1)), dims };
  };
  const data = new Map([tail.entry, ...tail.others].map((name) => [name, filled(name)]));
  const scalar = (value: number): Values => ({ data: Float32Array.of(value), dims: [1] });
  const wanted = [
    'loss',
    ...trained.flatMap(({ name }) => [`${name}/next`, `${name}/m/next`, `${name}/v/next`]),
  ];

  async function load(indices: readonly number[], flips?: readonly number[]): Promise<void> {
    const [n = 1, c = 1, h = 1, w = 1] = shapes.get(tail.entry)!;
    const size = c * h * w;
    for (let row = 0; row < n; row++) {
      const map = data.get(tail.entry)!.data.subarray(row * size, (row + 1) * size);
      const others = tail.others.map((name) => {
        const { data: all } = data.get(name)!;
        return all.subarray((row * all.length) / n, ((row + 1) * all.length) / n);
      });
      await entries.read(indices[row % indices.length]!, map, others);
      mirror(map, h, w, flips?.[row] ?? 0);
    }
  }

  const parametersOf = (state: TrainState) => [
    ...trained.map(({ name, dims }) => [name, { data: state.values.get(name)!, dims }] as const),
    ['head/mean', { data: state.head.mean, dims: [state.head.mean.length] }] as const,
    ['head/scale', { data: state.head.scale, dims: [state.head.scale.length] }] as const,
  ];

  return {
    batch,
    begin({ mean, scale, weights, bias }) {
      const values = new Map([...start, ['head/weights', weights], ['head/bias', bias]]);
      const moments = new Map(
        trained.flatMap(({ name }) =>
          ['m', 'v'].map((part) => [`${name}/${part}`, new Float32Array(values.get(name)!.length)] as const),
        ),
      );
      return { head: { mean, scale }, start: values, values, moments, steps: 0, epochs: 0 };
    },
    async epoch(state, rows, { seed, rate, mirrored, signal, onStep }) {
      const random = seededRandom(seed);
      const order = random.shuffled(rows);
      let total = 0;
      let count = 0;
      for (let from = 0; from < order.length; from += batch) {
        signal?.throwIfAborted();
        // The last batch is filled with rows from the beginning.
        const chosen = Array.from({ length: batch }, (_, i) => order[(from + i) % order.length]!);
        await load(
          chosen.map(({ index }) => index),
          chosen.map(() => (mirrored ? random.integer(4) : 0)),
        );
        const target = new Float32Array(batch * classes);
        chosen.forEach((row, i) => {
          target[i * classes + row.target] = 1;
        });
        state.steps++;
        const outputs = await step.run(
          new Map<string, Values>([
            ...data,
            ...parametersOf(state),
            ...trained.flatMap(({ name, dims }) => [
              [`${name}/0`, { data: state.start.get(name)!, dims }] as const,
              ...['m', 'v'].map(
                (part) => [`${name}/${part}`, { data: state.moments.get(`${name}/${part}`)!, dims }] as const,
              ),
            ]),
            ['target', { data: target, dims: [batch, classes] }],
            ['share', { data: Float32Array.from(chosen, ({ weight }) => weight / batch), dims: [batch, 1] }],
            ['rate', scalar(rates.base * rate)],
            ['head_rate', scalar(rates.head * rate)],
            ['first', scalar(1 - beta.first ** state.steps)],
            ['second', scalar(1 - beta.second ** state.steps)],
          ]),
          wanted,
        );
        state.values = new Map(trained.map(({ name }) => [name, outputs.get(`${name}/next`)!.data]));
        state.moments = new Map(
          trained.flatMap(({ name }) =>
            ['m', 'v'].map((part) => [`${name}/${part}`, outputs.get(`${name}/${part}/next`)!.data] as const),
          ),
        );
        total += outputs.get('loss')!.data[0]!;
        count++;
        onStep?.();
      }
      state.epochs++;
      return total / Math.max(1, count);
    },
    async predict(state, indices, signal) {
      const probabilities: number[][] = [];
      const features: Float32Array[] = [];
      for (let from = 0; from < indices.length; from += batch) {
        signal?.throwIfAborted();
        const chosen = indices.slice(from, from + batch);
        await load(chosen);
        const outputs = await forward.run(new Map([...data, ...parametersOf(state)]), [
          'probabilities',
          'head/x',
        ]);
        const rows = outputs.get('probabilities')!.data;
        const { data: x, dims } = outputs.get('head/x')!;
        chosen.forEach((_, i) => {
          probabilities.push(Array.from(rows.subarray(i * classes, (i + 1) * classes)));
          features.push(x.slice(i * dims[1]!, (i + 1) * dims[1]!));
        });
      }
      return { probabilities, features };
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([step[Symbol.asyncDispose](), forward[Symbol.asyncDispose]()]);
    },
  };
}

/** Mirrors each channel in place. @param how bit 0: left and right, bit 1: top and bottom */
function mirror(map: Float32Array, height: number, width: number, how: number): void {
  if (how === 0) return;
  const size = height * width;
  const plane = new Float32Array(size);
  for (let from = 0; from < map.length; from += size) {
    plane.set(map.subarray(from, from + size));
    for (let y = 0; y < height; y++) {
      const row = how & 2 ? height - 1 - y : y;
      for (let x = 0; x < width; x++)
        map[from + y * width + x] = plane[row * width + (how & 1 ? width - 1 - x : x)]!;
    }
  }
}
