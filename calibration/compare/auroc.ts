/** Measures how well a memory of good parts distinguishes defects from good parts. */
import { anomalyScoreOf } from '../../models/good-memory.ts';
import type { Session } from '../../models/run/session.ts';
import type { LabelledFrame } from '../dataset/frame.ts';
import { drawEvenly } from '../train/draw.ts';
import { openGoodCells } from '../train/good-cells.ts';
import { bothMaps } from '../train/maps.ts';
import { minGood, rememberGood } from '../train/remember-good.ts';
import type { BaseFigures } from './comparison.ts';

type GoodOnly = Pick<BaseFigures, 'goodOnly' | 'goodOnlyMissing'>;

export interface GoodOnlyOptions {
  /** Labels of good parts. */
  readonly good: readonly string[];
  /** Group of each frame. */
  readonly groups: readonly number[];
  readonly mapsOf: (frame: Pick<LabelledFrame, 'file'>) => ReturnType<Session['maps']>;
  readonly onProgress: (done: number, total: number) => void;
  readonly signal: AbortSignal | undefined;
}

/** Maximum number of frames of each kind: each needs another run of the base. */
const maxFrames = 100;
const seed = 1;

/** @throws QcError inference-stopped; the reason of `signal` */
export async function goodOnlyOf(
  session: Session,
  frames: readonly LabelledFrame[],
  { good, groups, mapsOf, onProgress, signal }: GoodOnlyOptions,
): Promise<GoodOnly> {
  const sizes = bothMaps(session);
  if (!sizes) return missing('the base has no maps of stages 2 and 3');
  const all = frames.map((frame, i) => ({ ...frame, group: groups[i]! }));
  const isGood = ({ label }: LabelledFrame) => good.includes(label);
  const goods = drawEvenly(all.filter(isGood), maxFrames, seed);
  const defects = drawEvenly(
    all.filter((frame) => !isGood(frame)),
    maxFrames,
    seed,
  );
  if (goods.length < minGood) return missing(`it needs ${minGood} good parts, and there are ${goods.length}`);
  if (defects.length === 0) return missing('it needs a defect');
  const cells = openGoodCells({ sizes, mapsOf: async (frame) => (await mapsOf(frame)).maps, seed });
  const total = 2 * goods.length + defects.length;
  const group = goods.map((one) => one.group);
  const { memory, heldOut } = await rememberGood(cells.sourceOf(goods), {
    // If nearly all good parts look the same, each is its own group.
    group: new Set(group).size >= minGood ? group : group.map((_, i) => i),
    seed,
    falseAlarmRate: 0.05,
    signal,
    onProgress: (done) => onProgress(done, total),
  });
  const scores: number[] = [];
  for (const [i, frame] of defects.entries()) {
    signal?.throwIfAborted();
    onProgress(2 * goods.length + i, total);
    scores.push(anomalyScoreOf(memory, (await mapsOf(frame)).maps).score);
  }
  const auroc = areaOf(heldOut, scores);
  return {
    goodOnly: { auroc, good: goods.length, defects: defects.length },
    goodOnlyMissing: null,
  };
}

const missing = (goodOnlyMissing: string): GoodOnly => ({ goodOnly: null, goodOnlyMissing });

/** Probability that a defect has a higher score than a good part; ties count half. */
export function areaOf(good: readonly number[], defects: readonly number[]): number {
  let wins = 0;
  for (const defect of defects) for (const one of good) wins += defect > one ? 1 : defect === one ? 0.5 : 0;
  return wins / (good.length * defects.length);
}
