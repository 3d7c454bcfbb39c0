/** Whether a head that was trained on good parts only may replace the active head, and why. */

import type { GoodMemory } from '../../models/good-memory.ts';
import { misfitOf } from '../../models/head.ts';
import type { BaseManifest } from '../../models/manifest.ts';
import { readGoodMemory } from '../../models/onnx/memory-graph.ts';
import { decodeModel } from '../../models/onnx/proto.ts';
import type { Store } from '../../models/versions/store.ts';
import type { LabelledFrame } from '../dataset/frame.ts';
import { readActive } from './active.ts';
import type { Gate } from './gate.ts';

export interface GoodOnlyActive {
  readonly version: string;
  /** Its defect labels; none if it was trained on good parts only. */
  readonly defects: readonly string[];
  /** For each frame, whether it passes; undefined if unknown. */
  readonly passes: readonly (boolean | undefined)[];
}

export interface JudgedFrames {
  readonly base: BaseManifest;
  /** Labels of good parts. */
  readonly good: readonly string[];
  readonly judged: readonly LabelledFrame[];
  /** Anomaly score of a frame. */
  readonly scoreOf: (memory: GoodMemory, frame: LabelledFrame) => Promise<number>;
  readonly onNotice: (text: string) => void;
}

/**
 * For frames that the active head was trained on, its recorded held-out answers count, so that both heads are compared on frames that
 * they were not trained on. Undefined if there is no active head.
 * @throws as `scoreOf`
 */
export async function goodOnlyActive(
  store: Store,
  { base, good, judged, scoreOf, onNotice }: JudgedFrames,
): Promise<GoodOnlyActive | undefined> {
  const active = await readActive(store, onNotice);
  if (!active) return undefined;
  const { version, head, heldOut } = active;
  const { labels } = head.manifest;
  const defects = labels.filter((label) => !good.includes(label));
  const none = judged.map(() => undefined);
  if (defects.length > 0 || labels.length > 1) return { version, defects, passes: none };
  const misfit = misfitOf(head.manifest, base);
  const memory = misfit ? undefined : readGoodMemory(decodeModel(head.model));
  if (!memory) {
    const why = misfit ? misfit.message : 'it was not trained by this product';
    onNotice(`the candidate is compared with recorded answers only: ${why}`);
  }
  const passes: (boolean | undefined)[] = [];
  for (const frame of judged) {
    const recorded = Object.hasOwn(heldOut, frame.id) ? heldOut[frame.id] : undefined;
    if (recorded !== undefined) passes.push(good.includes(recorded));
    else passes.push(memory && (await scoreOf(memory, frame)) <= memory.limit);
  }
  return { version, defects, passes };
}

/**
 * A head that was trained on good parts only never replaces one with defect labels. Compared with another one of its kind, it is
 * refused if more good parts are uncertain (unless the rate allows it), or more defects pass.
 * @param passes for each frame, whether it passes when it is held out
 */
export function judgeGoodOnly(
  passes: readonly boolean[],
  isGood: readonly boolean[],
  falseAlarmRate: number,
  active: GoodOnlyActive | undefined,
): Gate {
  const goodParts = isGood.filter(Boolean).length;
  if (!active) {
    const reason = `there is no active model version yet; parts like the ${goodParts} good ones pass, all others are uncertain`;
    return { allowed: true, reason };
  }
  const { version, defects } = active;
  if (defects.length > 0) {
    return {
      allowed: false,
      reason: `the active version ${version} recognises defects (${defects.join(', ')}), but this one was trained on good parts only; label at least 4 frames of each defect and train again`,
    };
  }
  const known = passes.map((_, i) => active.passes[i] !== undefined);
  const count = (of: boolean, is: (index: number) => boolean | undefined) =>
    passes.filter((_, i) => known[i] && isGood[i] === of && is(i)).length;
  const good = count(true, () => true);
  const heldBack = [count(true, (i) => !passes[i]), count(true, (i) => !active.passes[i])] as const;
  const bad = count(false, () => true);
  const escapes = [count(false, (i) => passes[i]), count(false, (i) => active.passes[i])] as const;
  if (good + bad === 0)
    return { allowed: true, reason: `${version} has no recorded answers to compare with` };
  const told = [
    `of ${good} good parts, ${heldBack[0]} are uncertain, with ${version} ${heldBack[1]}`,
    ...(bad > 0 ? [`of ${bad} defects, ${escapes[0]} pass, with ${version} ${escapes[1]}`] : []),
  ].join('; ');
  const isWorse = heldBack[0] > Math.max(heldBack[1], falseAlarmRate * good) || escapes[0] > escapes[1];
  return { allowed: !isWorse, reason: `${isWorse ? 'it is worse' : 'it is at least as good'}: ${told}` };
}
