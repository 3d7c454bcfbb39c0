/** Result of every benchmark: rows with a figure, some with a target. */
import type { Workshop } from './workshop.ts';

export type Target = { readonly atLeast: number } | { readonly atMost: number } | { readonly below: number };

export interface Row {
  readonly what: string;
  readonly figure: number;
  readonly unit: string;
  readonly target?: Target;
  /** Samples behind the figure; written to the JSON file. */
  readonly points?: readonly Point[];
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Benchmark {
  /** Name on the command line. */
  readonly name: string;
  /** The reason why it cannot run on this computer, with what to install; undefined if it can. */
  missing?(): string | undefined;
  run(workshop: Workshop): Promise<Row[]>;
}

/** Whether the figure is within the target of its row; undefined without a target. */
export function reached({ figure, target }: Row): boolean | undefined {
  if (!target) return undefined;
  if ('atLeast' in target) return figure >= target.atLeast;
  return 'atMost' in target ? figure <= target.atMost : figure < target.below;
}

/** The middle value, or the mean of the two middle ones; NaN without values. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length / 2;
  return ((sorted[Math.ceil(half) - 1] ?? Number.NaN) + (sorted[Math.floor(half)] ?? Number.NaN)) / 2;
}

/** Slope of the least-squares line through the points. */
export function slope(points: readonly Point[]): number {
  const meanX = points.reduce((sum, { x }) => sum + x, 0) / points.length;
  const meanY = points.reduce((sum, { y }) => sum + y, 0) / points.length;
  const covariance = points.reduce((sum, { x, y }) => sum + (x - meanX) * (y - meanY), 0);
  return covariance / points.reduce((sum, { x }) => sum + (x - meanX) ** 2, 0);
}

/** Runs A B A B …, so that a slow period of the machine affects all of them equally. */
export async function interleaved<T extends Record<string, () => Promise<unknown>>>(
  rounds: number,
  runs: T,
): Promise<{ [K in keyof T]: Awaited<ReturnType<T[K]>> }[]> {
  const results: { [K in keyof T]: Awaited<ReturnType<T[K]>> }[] = [];
  for (let round = 0; round < rounds; round++) {
    const result: Record<string, unknown> = {};
    for (const [name, run] of Object.entries(runs)) result[name] = await run();
    results.push(result as (typeof results)[number]);
  }
  return results;
}

/** The rows as a text table, one line each. */
export function table(benchmark: string, rows: readonly Row[]): string {
  return rows
    .map((row) => {
      const figure = row.figure.toFixed(row.figure >= 100 ? 0 : row.figure >= 10 ? 1 : 2).padStart(8);
      const verdict = { true: 'reached', false: 'MISSED', undefined: '' }[`${reached(row)}`];
      const cells = [
        benchmark.padEnd(10),
        row.what.padEnd(66),
        figure,
        row.unit.padEnd(9),
        targetText(row.target).padEnd(8),
      ];
      return `${cells.join(' ')} ${verdict}`.trimEnd();
    })
    .join('\n');
}

function targetText(target: Target | undefined): string {
  if (!target) return '';
  if ('atLeast' in target) return `≥ ${target.atLeast}`;
  return 'atMost' in target ? `≤ ${target.atMost}` : `< ${target.below}`;
}
