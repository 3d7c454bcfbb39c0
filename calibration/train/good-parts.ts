/**
 * A memory of good parts for a head that classifies defects: a part that the head calls good must also be like the good parts. It is used
 * only if it detects the labelled defects, which it has not seen: on products whose good parts vary too much it would cost time for nothing.
 */
import type { GoodParts } from '../../models/onnx/memory-graph.ts';
import { drawEvenly } from './draw.ts';
import { tailLimit } from './false-alarms.ts';
import type { FrameFeatures } from './features.ts';
import type { GoodCells } from './good-cells.ts';
import { partsOf } from './groups.ts';
import { highestOf, minGood, rememberGood } from './remember-good.ts';
import type { Report } from './report.ts';

export interface GoodPartsOptions {
  readonly cells: GoodCells;
  /** Labels of the head. */
  readonly labels: readonly string[];
  /** Labels of good parts. */
  readonly good: readonly string[];
  /** Group of each frame: frames of one group are held out together. */
  readonly group: readonly number[];
  readonly seed: number;
  readonly onProgress: (done: number, total: number) => void;
  readonly signal?: AbortSignal | undefined;
}

export interface RememberedGood {
  /** Undefined if it is not used. */
  readonly goodParts: GoodParts | undefined;
  readonly report: NonNullable<Report['goodParts']>;
}

/** Smaller than a memory that judges alone, which detects as much but takes twice as long. */
const maxCells = 250;
export const valuesOfGoodCells = 32;
/** Target share of good parts that are called unfamiliar because of it. */
const falseAlarmRate = 0.01;
/** Share of the labelled defects that it must detect. */
const minDetected = 0.5;
/** Maximum numbers of frames that are used: each takes about 0.1 s. */
const maxGood = 200;
const maxDefects = 60;
/** Minimum number of defects from which the share is estimated. */
const minDefects = 4;

/** @returns undefined with too few good parts or defects @throws inference-stopped; the reason of `signal` */
export async function goodPartsOf(
  described: readonly FrameFeatures[],
  { cells, labels, good, group, seed, onProgress, signal }: GoodPartsOptions,
): Promise<RememberedGood | undefined> {
  const all = described.map(({ frame }, index) => ({ frame, label: frame.label, index }));
  const isGood = ({ label }: { readonly label: string }) => good.includes(label);
  const chosen = drawEvenly(all.filter(isGood), maxGood, seed);
  const defects = drawEvenly(
    all.filter((one) => !isGood(one)),
    maxDefects,
    seed,
  );
  const part = partsOf(chosen.map(({ frame }) => frame));
  const own = chosen.map(({ index }) => group[index]!);
  const held = new Set(own).size >= minGood ? own : part;
  if (new Set(part).size < minGood || defects.length < minDefects) return undefined;

  const total = 2 * chosen.length + defects.length;
  const { memory, heldOut, scoreOf } = await rememberGood(cells.sourceOf(chosen.map(({ frame }) => frame)), {
    group: held,
    part,
    seed,
    falseAlarmRate,
    maxCells,
    signal,
    onProgress: (done) => onProgress(done, total),
  });
  const limit = tailLimit(highestOf(part, heldOut), falseAlarmRate);
  const source = cells.sourceOf(defects.map(({ frame }) => frame));
  let detected = 0;
  for (let i = 0; i < defects.length; i++) {
    signal?.throwIfAborted();
    onProgress(2 * chosen.length + i, total);
    if (scoreOf(await source.cells(i)) > limit) detected++;
  }
  const used = detected >= minDetected * defects.length;
  const parts = new Set(part).size;
  const found = `${detected} of ${defects.length} labelled defects differ from them`;
  const sentence = used
    ? `a part that it calls good is also compared with ${parts} good parts: ${found}`
    : `parts are not compared with the ${parts} good parts, which vary too much: ${found}`;
  return {
    goodParts: used
      ? { memory: { ...memory, limit }, good: labels.map((label) => good.includes(label)) }
      : undefined,
    report: { sentence, used, parts, detected, defects: defects.length, limit },
  };
}
