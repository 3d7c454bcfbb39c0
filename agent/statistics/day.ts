/** The counts of one UTC day, by bucket, and the lines of its file. Lines are increments: a bucket may have several. */
import { z } from 'zod';
import { check } from '../../config/check.ts';
import { verdictValue } from '../publish/messages.ts';

export const minuteMs = 60_000;
export const hourMs = 60 * minuteMs;
export const dayMs = 24 * hourMs;

/** Parts that are counted together. */
export interface PartKind {
  readonly camera: string;
  readonly recipe: string;
  /** Model version; `none` while there was no head. */
  readonly version: string;
  readonly verdict: z.output<typeof verdictValue>;
  /** Null if the part was not judged. */
  readonly label: string | null;
}

export interface Counted {
  readonly kind: PartKind;
  count: number;
}

/** Parts that were stored but not counted, because the agent was killed in between. */
const gapSchema = z.strictObject({
  camera: z.string(),
  /** Time of the last part that was counted before, ms since the epoch; the numbers were found later. */
  from: z.number().int(),
  to: z.number().int(),
  atMost: z.number().int().positive(),
});
export type Gap = z.output<typeof gapSchema>;

const integer = z.number().int();
const headerSchema = z.strictObject({ schema: z.literal(1), bucketMs: integer.min(minuteMs).max(dayMs) });
const rowSchema = z.tuple([
  z.string(),
  z.string(),
  z.string(),
  verdictValue,
  z.string().nullable(),
  integer.positive(),
]);
const lineSchema = z.strictObject({
  at: integer.describe('start of the bucket, ms since the epoch'),
  parts: z.array(rowSchema).describe('camera, recipe, model version, verdict, label, count').optional(),
  sequences: z.record(z.string(), integer).describe('newest part of each camera').optional(),
  gaps: z.array(gapSchema).optional(),
});

/** Maximum number of kinds in one bucket; further ones are counted under the label and recipe `other`. */
const maxKinds = 500;

export class Day {
  /** By start, ms since the epoch. */
  readonly buckets = new Map<number, Map<string, Counted>>();
  readonly sequences = new Map<string, number>();
  readonly gaps: Gap[] = [];

  add(at: number, kind: PartKind, count: number): void {
    const bucket = this.buckets.get(at) ?? new Map<string, Counted>();
    this.buckets.set(at, bucket);
    const counted = bucket.get(keyOf(kind));
    if (counted) counted.count += count;
    else if (bucket.size < maxKinds) bucket.set(keyOf(kind), { kind, count });
    else this.#addToOther(bucket, kind, count);
  }

  #addToOther(bucket: Map<string, Counted>, kind: PartKind, count: number): void {
    const other = { ...kind, recipe: 'other', label: kind.label && 'other' };
    const counted = bucket.get(keyOf(other));
    if (counted) counted.count += count;
    else bucket.set(keyOf(other), { kind: other, count });
  }

  /** Adds everything that the other one counted. */
  merge(other: Day): void {
    for (const [at, bucket] of other.buckets)
      for (const { kind, count } of bucket.values()) this.add(at, kind, count);
    for (const [camera, sequence] of other.sequences) this.sequences.set(camera, sequence);
    this.gaps.push(...other.gaps);
  }

  /** The same counts in longer buckets. */
  inBuckets(bucketMs: number): Day {
    const longer = new Day();
    for (const [at, bucket] of this.buckets)
      for (const { kind, count } of bucket.values()) longer.add(at - (at % bucketMs), kind, count);
    for (const [camera, sequence] of this.sequences) longer.sequences.set(camera, sequence);
    longer.gaps.push(...this.gaps);
    return longer;
  }

  get isEmpty(): boolean {
    return this.buckets.size === 0 && this.gaps.length === 0 && this.sequences.size === 0;
  }
}

const keyOf = ({ camera, recipe, version, verdict, label }: PartKind) =>
  JSON.stringify([camera, recipe, version, verdict, label]);

export const headerLine = (bucketMs: number) => `${JSON.stringify({ schema: 1, bucketMs })}\n`;

/**
 * One line for each bucket, oldest first; each ends with a line feed. A day without buckets has one line if it has numbers or gaps.
 * @param start of the day, ms since the epoch
 */
export function linesOf(day: Day, start: number): string {
  const starts = [...day.buckets.keys()].sort((a, b) => a - b);
  const lines = starts.map((at, i) => {
    const parts = [...day.buckets.get(at)!.values()].map(({ kind, count }) => [
      kind.camera,
      kind.recipe,
      kind.version,
      kind.verdict,
      kind.label,
      count,
    ]);
    return { at, parts, ...(i === starts.length - 1 && restOf(day)) };
  });
  if (lines.length === 0 && !day.isEmpty) return `${JSON.stringify({ at: start, ...restOf(day) })}\n`;
  return lines.map((line) => `${JSON.stringify(line)}\n`).join('');
}

const restOf = ({ sequences, gaps }: Day) => ({
  ...(sequences.size > 0 && { sequences: Object.fromEntries(sequences) }),
  ...(gaps.length > 0 && { gaps }),
});

/** Undefined if it is not a header. */
export function bucketMsIn(line: Buffer | undefined): number | undefined {
  return parsed(headerSchema, line)?.bucketMs;
}

/** Adds a line to a day. @returns false if it is damaged */
export function addLine(day: Day, line: Buffer | undefined): boolean {
  const found = parsed(lineSchema, line);
  if (!found) return false;
  for (const [camera, recipe, version, verdict, label, count] of found.parts ?? [])
    day.add(found.at, { camera, recipe, version, verdict, label }, count);
  for (const [camera, sequence] of Object.entries(found.sequences ?? {})) day.sequences.set(camera, sequence);
  day.gaps.push(...(found.gaps ?? []));
  return true;
}

function parsed<S extends z.ZodType>(schema: S, line: Buffer | undefined): z.output<S> | undefined {
  try {
    return check(schema, JSON.parse(line?.toString('utf8') ?? '')).data;
  } catch {
    return undefined;
  }
}
