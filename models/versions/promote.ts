/** Promotes or rolls back a version while no agent runs. Refuses a version that the next start would refuse. */
import { isDeepStrictEqual } from 'node:util';
import type { Config } from '../../config/schema.ts';
import { openBase } from '../base.ts';
import { headInputs, requireHeadGraph, requireSameBase } from '../head.ts';
import { memoryNeed, requireMemory } from '../run/memory.ts';
import { planThreads } from '../run/threads.ts';
import { recordDecision, requireAllowed } from './decisions.ts';
import { baseForIn } from './pair.ts';
import { type HeadVersion, openStore, type Store } from './store.ts';

type PromoteConfig = Pick<Config, 'model' | 'storage'>;

export interface Promoted {
  readonly active: string;
  /** The previously active version; undefined if there was none. Equal to `active` if nothing changed. */
  readonly before: string | undefined;
}

/**
 * @param override reason for promoting a version that its gate refused
 * @throws QcError version-unknown, head-damaged, head-base-mismatch, model-…, gate-refused; the active version is then unchanged
 */
export async function promoteVersion(
  config: PromoteConfig,
  version: string,
  { by, override }: { readonly by: string; readonly override?: string | undefined },
): Promise<Promoted> {
  const { directory } = config.storage;
  const store = await openStore(directory);
  const before = await store.active().catch(() => undefined);
  if (before === version && (await isWithItsBase(store, version, config))) return { active: version, before };
  const { manifest } = await requireUsable(store, version, config);
  if (override === undefined && before !== version) {
    requireAllowed(manifest, before, await store.history().catch((): string[] => []));
  }
  await store.promote(version, baseForIn(config.model, directory));
  const action = override === undefined ? 'promote' : 'override';
  await recordDecision(directory, { by, version, action, ...(override && { reason: override }) });
  return { active: version, before };
}

/** @throws QcError version-unknown if no version was active before, and what promoting throws */
export async function rollbackVersion(
  config: PromoteConfig,
  { by }: { readonly by: string },
): Promise<Promoted> {
  const { directory } = config.storage;
  const store = await openStore(directory);
  const before = await store.active();
  const [previous] = await store.history();
  if (previous !== undefined) await requireUsable(store, previous, config);
  const version = await store.rollback(baseForIn(config.model, directory));
  await recordDecision(directory, { by, version, action: 'rollback' });
  return { active: version, before };
}

/** Whether the record of the active version names the base that it needs. */
async function isWithItsBase(store: Store, version: string, { model, storage }: PromoteConfig) {
  try {
    const { manifest } = await store.read(version);
    const own = await baseForIn(model, storage.directory)(manifest);
    return isDeepStrictEqual(own, await store.activeBase());
  } catch {
    return true;
  }
}

/** Refuses a version that the next start would refuse. */
async function requireUsable(
  store: Store,
  version: string,
  { model, storage }: PromoteConfig,
): Promise<HeadVersion> {
  const head = await store.read(version);
  const { precision } = model;
  const own = await baseForIn(model, storage.directory)(head.manifest);
  const base = await openBase({
    base: own?.name ?? model.base,
    precision,
    storageDirectory: storage.directory,
  });
  requireSameBase(head.manifest, base.manifest);
  requireHeadGraph(head.model, head.manifest, headInputs(base));
  const plan = planThreads(model.threads, base.manifest.precision);
  requireMemory(base.manifest.name, memoryNeed(base, plan, model.batch.size || 1), model);
  return head;
}
