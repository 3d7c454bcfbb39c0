/** Parts worth a label: the instructive ones first, some drawn by chance, bounded, none twice. */
import type { Image } from '../../models/image.ts';

/** A judged part, as far as it matters for a label. */
export interface JudgedPart {
  readonly resultId: string;
  readonly camera: string;
  readonly partId: string;
  /** ISO 8601 */
  readonly capturedAt: string;
  readonly verdict: 'pass' | 'fail' | 'uncertain';
  /** What the head said; null without a head. */
  readonly label: string | null;
  readonly probability: number | null;
  /** The head that judged. */
  readonly version: string;
  readonly votes: { readonly frames: number; readonly agree: number };
  readonly image: Image;
  /** [D], pooled features of the picture. */
  readonly features: Float32Array;
  /** Whether it is unlike every labelled part. */
  readonly unfamiliar: boolean;
  /** Whether a candidate in the shadow decided otherwise. */
  readonly disputed: boolean;
}

export interface Candidate extends JudgedPart {
  /** In an operator's words. */
  readonly why: string;
  /** By chance, whatever was said of it: only such parts tell how often the head is wrong. */
  readonly drawn: boolean;
  readonly score: number;
}

export interface Queue {
  readonly size: number;
  /** Takes the part in where it is worth a label. */
  offer(part: JudgedPart): void;
  /** The most instructive first; after each four, one that was drawn by chance. */
  list(): readonly Candidate[];
  find(resultId: string): Candidate | undefined;
  /** Labelled or skipped: it goes, and what looks the same is not offered again. */
  remove(resultId: string): void;
  /** Takes back what an earlier run had collected, beside what has come since. */
  restore(candidates: readonly Candidate[]): void;
  /** Back again after an undo, as the first. */
  putBack(candidate: Candidate): void;
}

export interface QueueOptions {
  /** 0 ≤ x < 1 */
  readonly random: () => number;
  /** Labelled frames of a label. */
  readonly countOf: (label: string) => number;
  /** Frames of a label below which parts of it are offered; undefined: 10. */
  readonly wantedOf?: ((label: string) => number | undefined) | undefined;
}

const mostPicked = 40;
const mostDrawn = 20;
/** Score of a part that an undo brought back: it comes first. */
const returned = Number.MAX_VALUE;
/** So many parts in a hundred are drawn whatever was said of them. */
const drawnShare = 0.1;
/** A label with fewer frames is short of examples. */
const fewFrames = 10;
/** Features that point the same way to within this cosine show the same thing. */
const sameCosine = 0.9995;
/** Parts lately labelled or skipped, beside which a new one may be a near-duplicate. */
const mostRemembered = 200;

export function createQueue({ random, countOf, wantedOf }: QueueOptions): Queue {
  const worth = (part: JudgedPart) => worthOf(part, countOf, (label) => wantedOf?.(label) ?? fewFrames);
  let picked: Candidate[] = [];
  let drawn: Candidate[] = [];
  const done: Float32Array[] = [];
  const all = () => [...picked, ...drawn];

  const isKnown = ({ features }: JudgedPart) =>
    all().some((one) => cosine(one.features, features) > sameCosine) ||
    done.some((one) => cosine(one, features) > sameCosine);

  return {
    get size() {
      return picked.length + drawn.length;
    },
    offer(part) {
      if (random() < drawnShare) {
        drawn = [...drawn, { ...part, why: 'drawn by chance', drawn: true, score: 0 }].slice(-mostDrawn);
        return;
      }
      const { why, score } = worth(part);
      if (score === 0 || isKnown(part)) return;
      picked = [{ ...part, why, drawn: false, score }, ...picked]
        .sort((a, b) => b.score - a.score)
        .slice(0, mostPicked);
    },
    list() {
      // What was worth a label when it was judged may be known by now.
      picked = picked
        .map((one) => (one.score === returned ? one : { ...one, ...worth(one) }))
        .filter(({ score }) => score > 0)
        .sort((a, b) => b.score - a.score);
      const listed: Candidate[] = [];
      const rest = [...drawn];
      picked.forEach((one, i) => {
        listed.push(one);
        if (i % 4 === 3) listed.push(...rest.splice(0, 1));
      });
      return [...listed, ...rest];
    },
    find: (resultId) => all().find((one) => one.resultId === resultId),
    remove(resultId) {
      const gone = this.find(resultId);
      if (!gone) return;
      picked = picked.filter((one) => one !== gone);
      drawn = drawn.filter((one) => one !== gone);
      done.push(gone.features);
      if (done.length > mostRemembered) done.shift();
    },
    restore(candidates) {
      const fresh = candidates.filter(({ resultId }) => !this.find(resultId));
      drawn = [...fresh.filter((one) => one.drawn), ...drawn].slice(-mostDrawn);
      picked = [...picked, ...fresh.filter((one) => !one.drawn)]
        .sort((a, b) => b.score - a.score)
        .slice(0, mostPicked);
    },
    putBack(candidate) {
      const at = done.indexOf(candidate.features);
      if (at >= 0) done.splice(at, 1);
      picked = [{ ...candidate, score: returned }, ...picked].slice(0, mostPicked);
    },
  };
}

/** What a label of this part would teach; 0: nothing that is not known. */
function worthOf(
  part: JudgedPart,
  countOf: (label: string) => number,
  wantedOf: (label: string) => number,
): { why: string; score: number } {
  const { label, probability, votes } = part;
  const doubt = 1 - (probability ?? 0);
  if (label === null) return { why: 'no model has been trained yet', score: 1 };
  if (part.unfamiliar) return { why: 'unlike every labelled part', score: 5 + doubt };
  if (part.disputed) return { why: 'the candidate in the shadow says otherwise', score: 4 + doubt };
  if (part.verdict === 'uncertain') return { why: 'uncertain', score: 3 + doubt };
  if (votes.agree < votes.frames) {
    return { why: `only ${votes.agree} of ${votes.frames} frames agree`, score: 2 + doubt };
  }
  const count = countOf(label);
  if (count < wantedOf(label)) {
    const why = count === 0 ? `no ${label} is labelled yet` : `few of ${label} are labelled`;
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
