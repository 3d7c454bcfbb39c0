/** Figures of bases and paired differences between them, from held-out answers. Pure. */
import { interval95 } from '../train/interval.ts';
import type { BaseFigures, Difference } from './comparison.ts';
import { type Contender, embedded } from './contenders.ts';
import type { HeldOutHead } from './heads.ts';
import { holm, paired } from './significance.ts';

const seed = 1;

/** Measurements of a base before the comparison. */
export interface Measured {
  readonly contender: Contender;
  readonly head: HeldOutHead;
  readonly facts: Pick<BaseFigures, 'goodOnly' | 'goodOnlyMissing' | 'speed' | 'memory' | 'seconds'>;
}

/** Figures of each base, and the comparison of escapes with the base in use. */
export function figuresOf(measured: readonly Measured[], statistics: HeldOutHead, groups: readonly number[]) {
  const [inUse] = measured;
  const others = measured.slice(1);
  const difference = (
    to: string,
    mine: readonly boolean[],
    other: readonly boolean[],
    of = groups,
  ): Difference => ({ to, ...paired(mine, other, of, seed) });
  const nameOf = ({ contender }: Measured) => contender.manifest.name;
  const base = measured.find((one) => nameOf(one) === embedded);
  const toInUse = others.map((one) => difference(nameOf(inUse!), one.head.right, inUse!.head.right));
  const corrected = holm(toInUse.map(({ p }) => p));
  const escaping = new Map(
    others.flatMap((one) => {
      const bad = one.head.escaped.flatMap((escaped, i) => (escaped === undefined ? [] : [i]));
      if (bad.length === one.head.escaped.length) return [];
      const of = (head: HeldOutHead) => bad.map((i) => head.escaped[i] === true);
      const groupsOfBad = bad.map((i) => groups[i]!);
      const shift = difference(nameOf(inUse!), of(one.head), of(inUse!.head), groupsOfBad);
      return [[nameOf(one), shift] as const];
    }),
  );
  const figures = measured.map((one, i): BaseFigures => {
    const { head, facts, contender } = one;
    const { manifest, megabytes } = contender;
    const right = head.right.filter(Boolean).length;
    const { low, high } = interval95(right, head.right.length);
    const { escapes, falseRejects, uncertain } = head.evaluation;
    const hasGood = falseRejects.of > 0;
    const compared = i === 0 ? null : { ...toInUse[i - 1]!, p: corrected[i - 1]! };
    return {
      name: manifest.name,
      sha256: manifest.sha256,
      licence: manifest.licence,
      features: manifest.features.size,
      megabytes,
      isEmbedded: one === base,
      inUse: i === 0,
      accuracy: { value: right / head.right.length, low, high },
      escapes: hasGood ? escapes : null,
      falseRejects: hasGood ? falseRejects : null,
      uncertain,
      promised: head.promised,
      places: head.places,
      toStatistics: difference('image statistics', head.right, statistics.right),
      toEmbedded: base && base !== one ? difference(embedded, head.right, base.head.right) : null,
      toInUse: compared,
      ...facts,
    };
  });
  const [firstOne, ...rest] = figures;
  return { bases: [firstOne!, ...rest.toSorted((a, b) => b.accuracy.value - a.accuracy.value)], escaping };
}
