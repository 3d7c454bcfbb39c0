/** Groups the counts by shift, hour, day or lot, with their rates and control limits. */
import { chanceLimits, type Reference, wilson } from './control-limits.ts';
import { dayMs } from './day.ts';
import type { BucketCount, Counts } from './part-counter.ts';
import type { Period } from './shifts.ts';
import type { Grouping, GroupView, StatisticsView } from './views.ts';

/** Time before the shown one that is the reference, ms. */
export const referenceMs = 7 * dayMs;
/** With fewer judged parts, the time before is no reference; with still fewer, nothing is. */
const goodReference = 200;
const minReference = 20;

interface ReportQuery {
  readonly by: Grouping;
  readonly from: number;
  readonly to: number;
  readonly now: number;
  readonly timeZone: string;
  readonly since: number | undefined;
}

/** A period, with the parts that belong to it. */
export interface Group extends Period {
  readonly counts: readonly BucketCount[];
}

/** @param counts those of the shown time and of the reference time before it */
export function reportOf(
  { by, from, to, now, timeZone, since }: ReportQuery,
  { counts, gaps }: Counts,
  groups: readonly Group[],
): StatisticsView {
  const shown = counts.filter(({ at }) => at >= from && at < to);
  const before = tallyOf(counts.filter(({ at }) => at < from));
  const total = tallyOf(shown);
  const reference = referenceOf(before, total);
  const distinct = (of: (count: BucketCount) => string) => [...new Set(shown.map(of))].sort();
  return {
    by,
    from: isoOf(from),
    to: isoOf(to),
    timeZone,
    since: since === undefined ? null : isoOf(since),
    groups: groups.map((group) => groupView(group, reference, now)),
    total: withRate(total),
    reference,
    defects: defectsOf(shown),
    cameras: distinct(({ kind }) => kind.camera),
    recipes: distinct(({ kind }) => kind.recipe),
    gaps: gaps
      .filter((gap) => gap.to >= from && gap.from < to)
      .map((gap) => ({ ...gap, from: isoOf(gap.from), to: isoOf(gap.to) })),
  };
}

/** Periods with their counts. A bucket belongs to the period in which it begins. */
export function groupByPeriod(periods: readonly Period[], counts: readonly BucketCount[]): Group[] {
  let next = 0;
  const sorted = [...counts].sort((a, b) => a.at - b.at);
  return periods.map((period) => {
    while (next < sorted.length && sorted[next]!.at < period.from) next++;
    const first = next;
    while (next < sorted.length && sorted[next]!.at < period.to) next++;
    return { ...period, counts: sorted.slice(first, next) };
  });
}

interface Run {
  /** Undefined: not known. */
  readonly recipe: string | undefined;
  readonly from: number;
  readonly to: number;
  readonly byRecipe: Map<string, BucketCount[]>;
}

/**
 * A lot is what is made of one recipe without a change in between.
 * @param changes times at which the active recipe changed, and what it was from then on
 */
export function groupByLot(
  range: { readonly from: number; readonly to: number },
  changes: readonly { readonly at: number; readonly recipe: string }[],
  counts: readonly BucketCount[],
): Group[] {
  const sorted = changes.toSorted((a, b) => a.at - b.at);
  const within = sorted.filter(({ at }) => at > range.from && at < range.to);
  const before = sorted.findLast(({ at }) => at <= range.from);
  const starts = [{ at: range.from, recipe: before?.recipe }, ...within];
  const runs = starts
    .map(({ at, recipe }, i): Run => {
      return { recipe, from: at, to: starts[i + 1]?.at ?? range.to, byRecipe: new Map() };
    })
    .filter(({ from, to }) => from < to);
  const runOf = createRunFinder(runs);
  for (const one of counts.toSorted((a, b) => a.at - b.at)) {
    const { recipe } = one.kind;
    const run = runOf(one);
    if (!run) continue;
    const found = run.byRecipe.get(recipe);
    if (found) found.push(one);
    else run.byRecipe.set(recipe, [one]);
  }
  return runs.flatMap(({ from, to, byRecipe }) =>
    [...byRecipe].map(([name, found]) => ({ name, from, to, counts: found })),
  );
}

/**
 * Finds the run of each count: of those in its bucket the first of its recipe, or else the first. The bucket in which the recipe
 * changed belongs partly to either side.
 * @param runs oldest first; the counts are asked for in the order of their begin
 */
function createRunFinder(runs: readonly Run[]): (count: BucketCount) => Run | undefined {
  let next = 0;
  let bucket: { at: number; ms: number; first: Run | undefined; byRecipe: Map<string, Run> } | undefined;
  return ({ at, ms, kind }) => {
    if (bucket?.at !== at || bucket.ms !== ms) {
      while (next < runs.length && runs[next]!.to <= at) next++;
      bucket = { at, ms, first: undefined, byRecipe: new Map() };
      for (let i = next; i < runs.length && runs[i]!.from < at + ms; i++) {
        const run = runs[i]!;
        bucket.first ??= run;
        if (run.recipe !== undefined && !bucket.byRecipe.has(run.recipe))
          bucket.byRecipe.set(run.recipe, run);
      }
    }
    return bucket.byRecipe.get(kind.recipe) ?? bucket.first;
  };
}

interface Tally extends Reference {
  readonly parts: number;
  readonly pass: number;
  readonly uncertain: number;
  readonly untrained: number;
  readonly unjudged: number;
}

function tallyOf(counts: readonly BucketCount[]): Tally {
  const tally = { parts: 0, judged: 0, pass: 0, fail: 0, uncertain: 0, untrained: 0, unjudged: 0 };
  for (const { kind, count } of counts) {
    tally.parts += count;
    if (kind.label !== null) {
      tally.judged += count;
      tally[kind.verdict] += count;
    } else if (kind.version === 'none') tally.untrained += count;
    else tally.unjudged += count;
  }
  return tally;
}

function withRate(tally: Tally) {
  const { judged, fail } = tally;
  const hasRate = judged > 0;
  return {
    ...tally,
    rate: hasRate ? fail / judged : null,
    interval: hasRate ? wilson(fail, judged) : null,
  };
}

function referenceOf(before: Tally, total: Tally): StatisticsView['reference'] {
  const isBefore = before.judged >= goodReference || before.judged >= total.judged;
  const { judged, fail } = isBefore ? before : total;
  return judged < minReference
    ? null
    : { kind: isBefore ? 'before' : 'shown', judged, fail, rate: fail / judged };
}

function groupView({ name, from, to, counts }: Group, reference: Reference | null, now: number): GroupView {
  const tally = withRate(tallyOf(counts));
  const { judged, fail } = tally;
  const chance = reference && judged > 0 ? chanceLimits(judged, reference) : undefined;
  const outside = chance && (fail > chance.most ? 'above' : fail < chance.least ? 'below' : undefined);
  return {
    name,
    from: isoOf(from),
    to: isoOf(to),
    running: from <= now && now < to,
    ...tally,
    limits: chance ? { lower: chance.least / judged, upper: chance.most / judged } : null,
    outside: outside ?? null,
  };
}

function defectsOf(counts: readonly BucketCount[]): StatisticsView['defects'] {
  const defects = new Map<string, number>();
  for (const { kind, count } of counts) {
    if (kind.verdict !== 'fail' || kind.label === null) continue;
    defects.set(kind.label, (defects.get(kind.label) ?? 0) + count);
  }
  return [...defects].map(([label, count]) => ({ label, count })).sort((a, b) => b.count - a.count);
}

const isoOf = (at: number) => new Date(at).toISOString();
