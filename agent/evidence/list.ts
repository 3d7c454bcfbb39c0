/** Lists evidence page by page: the ids are in memory, everything else is read from the sidecars of the page. */
import type { Result } from '../publish/messages.ts';
import type { EvidenceFiles } from './evidence-files.ts';
import { madeAt } from './paths.ts';
import { parseResult } from './sidecar.ts';

export interface EvidenceQuery {
  readonly verdict?: Result['verdict'] | undefined;
  readonly label?: string | undefined;
  readonly camera?: string | undefined;
  /** Only results at or after this time, ms since the epoch. */
  readonly from?: number | undefined;
  /** Only results before this time, ms since the epoch. */
  readonly to?: number | undefined;
  /** `next` of the previous page. */
  readonly before?: string | undefined;
  readonly limit: number;
}

export interface EvidencePage {
  readonly items: readonly Result[];
  /** Start of the next page; null if there is none. A page may be short or empty although there is a next one. */
  readonly next: string | null;
}

/** Maximum number of sidecars read for one page: a search for a rare label must not load the disk for minutes. */
const maxRead = 1_000;
/** Sidecars read concurrently. */
const atOnce = 16;

export async function listEvidence(
  files: Pick<EvidenceFiles, 'ids' | 'sidecar'>,
  { verdict, label, camera, from = 0, to = Number.POSITIVE_INFINITY, before, limit }: EvidenceQuery,
): Promise<EvidencePage> {
  const isAsked = (one: Result) =>
    (verdict === undefined || one.verdict === verdict) &&
    (label === undefined || one.label === label) &&
    (camera === undefined || one.camera === camera);
  // Sorted by time, because the clock may have been set back.
  const ids = files.ids
    .filter((id) => (before === undefined || id < before) && madeAt(id) >= from && madeAt(id) < to)
    .sort()
    .reverse();
  const items: Result[] = [];
  let read = 0;
  while (read < ids.length && read < maxRead && items.length < limit) {
    const some = ids.slice(read, read + atOnce);
    const texts = await Promise.all(some.map((id) => files.sidecar(id)));
    for (const text of texts) {
      if (items.length === limit) break;
      read++;
      const one = text === undefined ? undefined : parseResult(text);
      if (one && isAsked(one)) items.push(one);
    }
  }
  return { items, next: read < ids.length ? ids[read - 1]! : null };
}
