/** Evaluates the active head on the frames that a candidate is evaluated on. */

import { z } from 'zod';
import { argmax } from '../../models/argmax.ts';
import { decodeHead, misfitOf, probabilitiesOf } from '../../models/head.ts';
import type { BaseManifest } from '../../models/manifest.ts';
import type { FeatureMaps } from '../../models/run/runner.ts';
import type { HeadVersion, Store } from '../../models/versions/store.ts';
import type { LabelledFrame } from '../dataset/frame.ts';
import type { Look } from './base-of-head.ts';
import type { FrameFeatures } from './features.ts';
import type { Compared } from './gate.ts';

/** Recorded in report.json for comparison with later candidates: the held-out answer for each frame, by frame id. */
const heldOutSchema = z.object({ heldOut: z.record(z.string(), z.string()) });
export type HeldOutAnswers = z.output<typeof heldOutSchema>['heldOut'];

export interface Active {
  readonly version: string;
  readonly head: HeadVersion;
  readonly heldOut: HeldOutAnswers;
}

/** The active head with the answers that its report keeps; undefined if there is none, or it cannot be read. */
export async function readActive(
  store: Store,
  onNotice: (text: string) => void,
): Promise<Active | undefined> {
  const version = await store.active().catch(() => undefined);
  if (version === undefined) return undefined;
  try {
    const head = await store.read(version);
    const { heldOut } = heldOutSchema.catch({ heldOut: {} }).parse(await store.report(version));
    return { version, head, heldOut };
  } catch (error) {
    onNotice(`the candidate is not compared with ${version}: ${(error as Error).message}`);
    return undefined;
  }
}

export interface JudgedByActive extends Compared {
  readonly known: readonly boolean[];
  /** For each frame, whether it was in the dataset when the active head was trained. */
  readonly knew: readonly boolean[];
}

export interface ActiveDeps {
  /** Only called for a head with localized features. */
  readonly mapsOf: (frame: LabelledFrame) => Promise<FeatureMaps>;
  /** Opens the base of a head that was trained on another one. */
  readonly ownBase: (manifest: HeadVersion['manifest']) => Promise<Look | undefined>;
  readonly onNotice: (text: string) => void;
}

/**
 * For frames that the active head was trained on, uses the answers of its own cross-validation, so that neither head is
 * evaluated on its training data; for all others, runs the head, on its own base. If that base is not installed, only recorded
 * answers are used. Undefined if there is no active head or it was not trained by this product.
 * @throws QcError inference-stopped
 */
export async function judgedByActive(
  store: Store,
  base: BaseManifest,
  described: readonly FrameFeatures[],
  { mapsOf, ownBase, onNotice }: ActiveDeps,
): Promise<JudgedByActive | undefined> {
  const active = await readActive(store, onNotice);
  if (!active) return undefined;
  const { version, head, heldOut } = active;
  const answered = described.map(({ frame }) => Object.hasOwn(heldOut, frame.id));
  if (head.manifest.labels.length === 1) {
    const none = described.map(() => false);
    const incomparable = `${version} knows good parts only and names no defect`;
    return { version, right: none, knew: none, known: none, incomparable };
  }
  const misfit = misfitOf(head.manifest, base);
  const isComplete = answered.every(Boolean);
  const look = misfit && !isComplete ? await ownBase(head.manifest) : undefined;
  if (misfit && !look) {
    if (!isComplete) onNotice(`the candidate is compared with recorded answers only: ${misfit.message}`);
    const right = described.map(({ frame }) => heldOut[frame.id] === frame.label);
    return { version, right, knew: answered, known: answered };
  }
  const { labels, createdAt } = head.manifest;
  const linear = decodeHead(head.model, labels);
  if (!linear) {
    onNotice(`the candidate is not compared with ${version}: it was not trained by this product`);
    return undefined;
  }
  const mostProbableOf = async (frame: LabelledFrame, features: Float32Array) => {
    const seen = await look?.(frame, linear.cells !== undefined);
    const maps = seen ? seen.maps : linear.cells && (await mapsOf(frame));
    return labels[argmax(probabilitiesOf(linear, seen?.features ?? features, maps))];
  };
  const right: boolean[] = [];
  for (const { frame, features } of described) {
    const answer = heldOut[frame.id];
    right.push((answer ?? (await mostProbableOf(frame, features))) === frame.label);
  }
  const recorded = Object.keys(heldOut).length > 0;
  const knew = described.map(({ frame }, i) => (recorded ? answered[i]! : frame.labelledAt <= createdAt));
  return { version, right, knew, known: described.map(() => true) };
}
