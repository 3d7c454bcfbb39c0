/** Groups frames that show the same part or moment; a group must not be divided between training and held-out frames. */
import type { LabelledFrame } from '../dataset/frame.ts';
import type { FrameFeatures } from './features.ts';

/** Frames with a higher cosine similarity of their features are near-duplicates. */
const sameCosine = 0.9995;
/** Maximum number of pairs in memory. */
const maxPairs = 200_000;
/** Frames of one camera within this time show the same part, ms. */
const sameMomentMs = 1_000;

/** A group number for each frame; frames of one part, one moment of a camera, and near-duplicates are in one group. */
export function groupsOf(described: readonly FrameFeatures[]): number[] {
  const parent = described.map((_, i) => i);
  const find = (i: number): number => {
    let root = i;
    while (parent[root] !== root) root = parent[root]!;
    parent[i] = root;
    return root;
  };
  const join = (a: number, b: number) => {
    parent[find(a)] = find(b);
  };

  const parts = new Map<string, number>();
  const moments: { at: number; camera: string; index: number }[] = [];
  described.forEach(({ frame }, index) => {
    if (frame.partId !== undefined) {
      const first = parts.get(frame.partId);
      if (first === undefined) parts.set(frame.partId, index);
      else join(index, first);
    }
    if (frame.camera !== undefined && frame.capturedAt !== undefined) {
      moments.push({ at: Date.parse(frame.capturedAt), camera: frame.camera, index });
    }
  });
  moments.sort((a, b) => (a.camera < b.camera ? -1 : a.camera > b.camera ? 1 : a.at - b.at));
  moments.forEach((moment, i) => {
    const before = moments[i - 1];
    if (before?.camera === moment.camera && moment.at - before.at < sameMomentMs) {
      join(moment.index, before.index);
    }
  });

  // In a fixture all good parts look alike: groups the most similar ones, but at most a fifth of a label.
  const members = new Map<string, number>();
  for (const { frame } of described) members.set(frame.label, (members.get(frame.label) ?? 0) + 1);
  const sizes = described.map(() => 0);
  described.forEach((_, i) => {
    sizes[find(i)]!++;
  });
  for (const { a, b } of alike(described, (one, other) => one.frame.label === other.frame.label)) {
    const [left, right] = [find(a), find(b)];
    const max = Math.max(2, Math.floor(members.get(described[a]!.frame.label)! / 5));
    if (left === right || sizes[left]! + sizes[right]! > max) continue;
    join(left, right);
    sizes[right]! += sizes[left]!;
  }
  return described.map((_, i) => find(i));
}

/** A number for each frame: frames of one part have the same. Without a part, frames of one moment of a camera count as one. */
export function partsOf(frames: readonly LabelledFrame[]): number[] {
  const first = new Map<string, number>();
  const part = frames.map(({ partId }, i) => {
    const known = partId === undefined ? undefined : first.get(partId);
    if (partId !== undefined && known === undefined) first.set(partId, i);
    return known ?? i;
  });
  const moments = frames
    .flatMap(({ partId, camera, capturedAt }, index) =>
      partId === undefined && camera !== undefined && capturedAt !== undefined
        ? [{ at: Date.parse(capturedAt), camera, index }]
        : [],
    )
    .sort((a, b) => (a.camera < b.camera ? -1 : a.camera > b.camera ? 1 : a.at - b.at));
  moments.forEach(({ at, camera, index }, i) => {
    const before = moments[i - 1];
    if (before?.camera === camera && at - before.at < sameMomentMs) part[index] = part[before.index]!;
  });
  return part;
}

/** Pairs of near-duplicates, the most similar first; only pairs that `among` accepts. */
export function alike(
  described: readonly FrameFeatures[],
  among: (one: FrameFeatures, other: FrameFeatures) => boolean,
): { a: number; b: number }[] {
  const lengths = described.map(({ features }) => Math.sqrt(dot(features, features)) || 1);
  const pairs: { a: number; b: number; cosine: number }[] = [];
  for (let a = 1; a < described.length && pairs.length < maxPairs; a++) {
    for (let b = 0; b < a; b++) {
      if (!among(described[a]!, described[b]!)) continue;
      // Different lengths exclude a pair without computing the product.
      const ratio = lengths[a]! / lengths[b]!;
      if (ratio < 0.97 || ratio > 1.03) continue;
      const cosine = dot(described[a]!.features, described[b]!.features) / (lengths[a]! * lengths[b]!);
      if (cosine > sameCosine) pairs.push({ a, b, cosine });
    }
  }
  return pairs.sort((one, other) => other.cosine - one.cosine);
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let d = 0; d < a.length; d++) sum += a[d]! * b[d]!;
  return sum;
}
