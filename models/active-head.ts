/** The head that judges at the start, and whether a head fits the base that is loaded. */
import { QcError } from '../config/errors.ts';
import { type HeadInputs, requireHeadGraph, requireSameBase } from './head.ts';
import type { LoadedHead, SessionFacts } from './run/messages.ts';
import type { HeadVersion, Store } from './versions/store.ts';

export function loaded(head: HeadVersion): LoadedHead;
export function loaded(head: HeadVersion | undefined): LoadedHead | undefined;
export function loaded(head: HeadVersion | undefined): LoadedHead | undefined {
  return head && { version: head.version, labels: head.manifest.labels, model: head.model };
}

/** @throws QcError head-base-mismatch, head-damaged */
export function requireFit({ manifest, model }: HeadVersion, { manifest: base, maps }: SessionFacts): void {
  requireSameBase(manifest, base);
  const given: HeadInputs = { size: base.features.size, maps };
  requireHeadGraph(model, manifest, given);
}

export const isMismatch = (error: unknown): error is QcError =>
  error instanceof QcError && error.code === 'head-base-mismatch';

/** The active head, or the latest intact one before it if it is damaged; none if there never was one or it is of another base. */
export async function activeHead(
  store: Store,
  facts: SessionFacts,
  onNotice: (text: string) => void,
): Promise<{ readonly head?: HeadVersion; readonly misfit?: QcError }> {
  const active = await store.active();
  if (active === undefined) return {};
  let first: unknown;
  for (const version of [active, ...(await store.history())]) {
    try {
      const head = await store.read(version);
      requireFit(head, facts);
      if (first) onNotice(`${(first as Error).message}; judging with version ${version} instead`);
      return { head };
    } catch (error) {
      // Only a damaged head is replaced by an older version; the choice of another base is the operator's.
      if (isMismatch(error) && !first) return { misfit: error };
      first ??= error;
      if (!(error instanceof QcError) || isMismatch(error)) throw first;
    }
  }
  throw first;
}
