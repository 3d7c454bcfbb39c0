/** Watches the parts of each camera for drift from the training parts of the head that judges them. */
import { decodeHead } from '../../models/head.ts';
import { openStore } from '../../models/versions/store.ts';
import type { Observation } from '../inspect.ts';
import type { Log } from '../lifecycle/log.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { Result } from '../publish/messages.ts';
import { createDrift, type Drift } from './drift.ts';
import { type Reference, referenceOf } from './reference.ts';

export interface DriftWatch {
  /** A part was judged. */
  add(result: Pick<Result, 'camera' | 'model'>, seen: Pick<Observation, 'features'>): void;
}

export interface DriftWatchDeps {
  readonly log: Log;
  readonly metrics: Pick<Metrics, 'watchDrift'>;
}

/** Maximum number of heads whose examples are kept, since recipes change. Each takes some MB. */
const maxHeads = 8;

/** Retry interval for a head that could not be read, ms. */
const retryMs = 60_000;

/** Drift of a camera relative to the head that judges it. */
interface Watched {
  readonly version: string;
  drift?: Drift;
}

/**
 * The examples of a head are read from the store when it judges its first part; the parts until then are skipped.
 * With another head a camera starts again: parts far from the old head's examples may be close to the new head's.
 */
export function createDriftWatch(storageDirectory: string, deps: DriftWatchDeps): DriftWatch {
  const log = deps.log.child({ component: 'drift' });
  /** By version, in order of last use; undefined while it is being read, and for a head without examples. */
  const references = new Map<string, Reference | undefined>();
  const cameras = new Map<string, Watched>();

  function referenceFor(version: string): Reference | undefined {
    const known = references.has(version);
    const reference = references.get(version);
    references.delete(version);
    references.set(version, reference);
    for (const oldest of references.keys()) if (references.size > maxHeads) references.delete(oldest);
    if (!known) void read(version);
    return reference;
  }

  async function read(version: string): Promise<void> {
    try {
      const { manifest, model } = await (await openStore(storageDirectory)).read(version);
      const head = decodeHead(model, manifest.labels);
      const reference = head && (await referenceOf(head));
      if (reference) references.set(version, reference);
      else log.info({ version }, 'drift is not monitored: the model version contains too few examples');
    } catch (error) {
      log.warn({ version }, `drift is not monitored: ${(error as Error).message}`);
      setTimeout(() => references.delete(version), retryMs).unref();
    }
  }

  function cameraOf(name: string, version: string): Watched {
    const before = cameras.get(name);
    if (before?.version === version) return before;
    if (!before) deps.metrics.watchDrift(name, () => cameras.get(name)?.drift?.value);
    const begun: Watched = { version };
    cameras.set(name, begun);
    return begun;
  }

  return {
    add({ camera: name, model: { version } }, { features }) {
      // Without features the part was not judged, and the version is only the one that would have judged it.
      if (!features || version === 'none') return;
      const reference = referenceFor(version);
      const camera = cameraOf(name, version);
      if (reference) camera.drift ??= createDrift(reference);
      camera.drift?.add(features);
    },
  };
}
