/** Bounded queue of parts to label: the most informative first, some drawn at random, without near-duplicates. */
import type { Image } from '../../models/image.ts';

/** A judged part. */
export interface JudgedPart {
  readonly resultId: string;
  readonly camera: string;
  readonly partId: string;
  /** ISO 8601 */
  readonly capturedAt: string;
  readonly verdict: 'pass' | 'fail' | 'uncertain';
  /** Label of the result; null without a head. */
  readonly label: string | null;
  readonly probability: number | null;
  /** The head that judged. */
  readonly version: string;
  readonly votes: { readonly frames: number; readonly agree: number };
  readonly image: Image;
  /** [D], pooled features of the image. */
  readonly features: Float32Array;
  /** Whether it is unlike every labelled part. */
  readonly unfamiliar: boolean;
  /** Whether the shadow version decided differently. */
  readonly disputed: boolean;
}

export interface Candidate extends JudgedPart {
  /** For the operator. */
  readonly why: string;
  /** Whether it was drawn at random: only such parts give unbiased error rates. */
  readonly drawn: boolean;
  readonly score: number;
}

export interface Queue {
  readonly size: number;
  /** Adds the part if it is informative. */
  offer(part: JudgedPart): void;
  /** The most informative first; every fifth part is one that was drawn at random. */
  list(): readonly Candidate[];
  find(resultId: string): Candidate | undefined;
  /** Removes a labelled or skipped part; near-duplicates are not offered again. */
  remove(resultId: string): void;
  /** Adds the parts that an earlier run collected. */
  restore(candidates: readonly Candidate[]): void;
  /** Puts a part back as the first one after an undo. */
  putBack(candidate: Candidate): void;
}

export interface QueueOptions {
  /** 0 ≤ x < 1 */
  readonly random: () => number;
  /** Number of labelled frames of a label. */
  readonly countOf: (label: string) => number;
  /** Frames of a label below which parts of it are offered; undefined: 10. */
  readonly wantedOf?: ((label: string) => number | undefined) | undefined;
}

const maxSelected = 40;
const maxDrawn = 20;
/** Score of a part that an undo restored: it comes first. */
const restoredScore = Number.MAX_VALUE;
/** Share of parts that are drawn at random. */
const drawnShare = 0.1;
/** A label with fewer frames needs more examples. */
const enoughFrames = 10;
/** Parts with a higher cosine similarity of their features are near-duplicates. */
const sameCosine = 0.9995;
/** Number of labelled or skipped parts that are remembered to detect near-duplicates. */
const maxRemembered = 200;

export function createQueue({ random, countOf, wantedOf }: QueueOptions): Queue {
  const worth = (part: JudgedPart) => scoreOf(part, countOf, (label) => wantedOf?.(label) ?? enoughFrames);
  let selected: Candidate[] = [];
  let drawn: Candidate[] = [];
  const done: Float32Array[] = [];
  const all = () => [...selected, ...drawn];

  const isKnown = ({ features }: JudgedPart) =>
    all().some((one) => cosine(one.features, features) > sameCosine) ||
    done.some((one) => cosine(one, features) > sameCosine);

  return {
    get size() {
      return selected.length + drawn.length;
    },
    offer(part) {
      if (random() < drawnShare) {
        drawn = [...drawn, { ...part, why: 'drawn at random', drawn: true, score: 0 }].slice(-maxDrawn);
        return;
      }
      const { why, score } = worth(part);
      if (score === 0 || isKnown(part)) return;
      selected = [{ ...part, why, drawn: false, score }, ...selected]
        .sort((a, b) => b.score - a.score)
        .slice(0, maxSelected);
    },
    list() {
      // A part may have become less informative since it was judged.
      selected = selected
        .map((one) => (one.score === restoredScore ? one : { ...one, ...worth(one) }))
        .filter(({ score }) => score > 0)
        .sort((a, b) => b.score - a.score);
      const listed: Candidate[] = [];
      const rest = [...drawn];
      selected.forEach((one, i) => {
        listed.push(one);
        if (i % 4 === 3) listed.push(...rest.splice(0, 1));
      });
      return [...listed, ...rest];
    },
    find: (resultId) => all().find((one) => one.resultId === resultId),
    remove(resultId) {
      const gone = this.find(resultId);
      if (!gone) return;
      selected = selected.filter((one) => one !== gone);
      drawn = drawn.filter((one) => one !== gone);
      done.push(gone.features);
      if (done.length > maxRemembered) done.shift();
    },
    restore(candidates) {
      const fresh = candidates.filter(({ resultId }) => !this.find(resultId));
      drawn = [...fresh.filter((one) => one.drawn), ...drawn].slice(-maxDrawn);
      selected = [...selected, ...fresh.filter((one) => !one.drawn)]
        .sort((a, b) => b.score - a.score)
        .slice(0, maxSelected);
    },
    putBack(candidate) {
      const at = done.indexOf(candidate.features);
      if (at >= 0) done.splice(at, 1);
      selected = [{ ...candidate, score: restoredScore }, ...selected].slice(0, maxSelected);
    },
  };
}

/** How informative a label of this part is, and why; 0: not informative. */
function scoreOf(
  part: JudgedPart,
  countOf: (label: string) => number,
  wantedOf: (label: string) => number,
): { why: string; score: number } {
  const { label, probability, votes } = part;
  const doubt = 1 - (probability ?? 0);
  if (label === null) return { why: 'no model has been trained yet', score: 1 };
  if (part.unfamiliar) return { why: 'unlike every labelled part', score: 5 + doubt };
  if (part.disputed) return { why: 'the shadow version decided differently', score: 4 + doubt };
  if (part.verdict === 'uncertain') return { why: 'uncertain', score: 3 + doubt };
  if (votes.agree < votes.frames) {
    return { why: `only ${votes.agree} of ${votes.frames} frames agree`, score: 2 + doubt };
  }
  const count = countOf(label);
  if (count < wantedOf(label)) {
    const why = count === 0 ? `no ${label} is labelled yet` : `only a few frames of ${label} are labelled`;
    return { why, score: 1 + doubt };
  }
  return { why: '', score: 0 };
}

function cosine(a: Float32Array, b: Float32Array): number {
  let [ab, aa, bb] = [0, 0, 0];
  for (let d = 0; d < a.length; d++) {
    ab += a[d]! * b[d]!;
    aa += a[d]! * a[d]!;
    bb += b[d]! * b[d]!;
  }
  return ab / (Math.sqrt(aa * bb) || 1);
}
