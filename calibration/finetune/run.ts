/**
 * One training of the block, for a fold or for all parts. It continues where it was: the checkpoint has the state after the last epoch, and
 * the features after chosen epochs are in files.
 */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeDurably } from '../../models/disk/durable.ts';
import { readCheckpoint, writeCheckpoint } from './checkpoint.ts';
import type { EpochOptions, Row, StartHead, Trainer, TrainState } from './trainer.ts';

export interface RunOptions extends Pick<EpochOptions, 'seed' | 'mirrored' | 'signal' | 'onStep'> {
  readonly folder: string;
  readonly name: string;
  readonly rows: readonly Row[];
  readonly head: StartHead;
  /** Epochs after which the features of all parts are computed; the last one ends the run. */
  readonly marks: readonly number[];
  /** Length of the schedule. */
  readonly epochs: number;
  /** Number of parts. */
  readonly count: number;
}

export interface Run {
  readonly state: TrainState;
  /** [n][D] after each mark. */
  features(mark: number): Promise<Float32Array[]>;
}

/** @throws the reason of `signal`, between two steps */
export async function runTraining(trainer: Trainer, options: RunOptions): Promise<Run> {
  const { folder, name, rows, head, marks, epochs, count, seed, mirrored, signal, onStep } = options;
  const checkpoint = join(folder, `${name}.state`);
  const fileOf = (mark: number) => join(folder, `${name}-${mark}.f32`);
  const state = await readCheckpoint(checkpoint, trainer.begin(head));
  const last = marks.at(-1)!;
  for (let i = 0; i < state.epochs; i++)
    for (let step = 0; step < stepsOf(trainer.batch, rows); step++) onStep?.();
  while (state.epochs < last) {
    const { epochs: done } = state;
    // Cosine schedule (Loshchilov and Hutter, ICLR 2017)
    const rate = 0.5 * (1 + Math.cos((Math.PI * done) / epochs));
    await trainer.epoch(state, rows, { seed: seed + 7_919 * done, rate, mirrored, signal, onStep });
    // Before the checkpoint, so that a state after a mark always has its file.
    if (marks.includes(state.epochs)) {
      const all = Array.from({ length: count }, (_, i) => i);
      const { features } = await trainer.predict(state, all, signal);
      await writeDurably(
        fileOf(state.epochs),
        Buffer.concat(features.map((row) => Buffer.from(row.buffer, row.byteOffset, row.byteLength))),
      );
    }
    await writeCheckpoint(checkpoint, state);
  }
  return {
    state,
    async features(mark) {
      const bytes = await readFile(fileOf(mark));
      const values = new Float32Array(Uint8Array.prototype.slice.call(bytes).buffer);
      const size = values.length / count;
      return Array.from({ length: count }, (_, i) => values.subarray(i * size, (i + 1) * size));
    },
  };
}

export const stepsOf = (batch: number, rows: readonly unknown[]) => Math.ceil(rows.length / batch);

/** Files of earlier trainings. */
export const removeFolder = (folder: string) => rm(folder, { recursive: true, force: true });
