/** What evidence there is, page by page: ids are in memory, the rest is read from the sidecars that are looked at. */
import { z } from 'zod';
import { type Result, resultMessage } from '../publish/messages.ts';
import { madeAt } from './place.ts';
import type { Shelf } from './shelf.ts';

export interface EvidenceQuery {
  readonly verdict?: Result['verdict'] | undefined;
  readonly label?: string | undefined;
  readonly camera?: string | undefined;
  /** Made at or after it, ms since the epoch. */
  readonly from?: number | undefined;
  /** Made before it, ms since the epoch. */
  readonly to?: number | undefined;
  /** The `next` of the page before. */
  readonly before?: string | undefined;
  readonly limit: number;
}

export interface EvidencePage {
  readonly items: readonly Result[];
  /** Where the next page begins; null where there is none. A page may be short, or empty, and yet have a next. */
  readonly next: string | null;
}

/** Sidecars read for one page: a rare label must not keep the disk busy for minutes. */
const mostRead = 1_000;
/** Read together. */
const atOnce = 16;

/** A later version may have added fields. */
const sidecar = z.object(resultMessage.shape);

/** @returns undefined where it is damaged */
export function parseResult(text: string): Result | undefined {
  try {
    return sidecar.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

export async function listEvidence(
  shelf: Pick<Shelf, 'ids' | 'sidecar'>,
  { verdict, label, camera, from = 0, to = Number.POSITIVE_INFINITY, before, limit }: EvidenceQuery,
): Promise<EvidencePage> {
  const isAsked = (one: Result) =>
    (verdict === undefined || one.verdict === verdict) &&
    (label === undefined || one.label === label) &&
    (camera === undefined || one.camera === camera);
  // By time, whatever the clock did while they came.
  const ids = shelf.ids
    .filter((id) => (before === undefined || id < before) && madeAt(id) >= from && madeAt(id) < to)
    .sort()
    .reverse();
  const items: Result[] = [];
  let read = 0;
  while (read < ids.length && read < mostRead && items.length < limit) {
    const some = ids.slice(read, read + atOnce);
    const texts = await Promise.all(some.map((id) => shelf.sidecar(id)));
    for (const text of texts) {
      if (items.length === limit) break;
      read++;
      const one = text === undefined ? undefined : parseResult(text);
      if (one && isAsked(one)) items.push(one);
    }
  }
  return { items, next: read < ids.length ? ids[read - 1]! : null };
}
