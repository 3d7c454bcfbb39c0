/** Watches the parts of each camera for drift, against whichever head judges them. */
import { decodeHead } from '../../models/head.ts';
import { openStore } from '../../models/store.ts';
import type { Seen } from '../inspect.ts';
import type { Log } from '../lifecycle/log.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { Result } from '../publish/messages.ts';
import { createDrift, type Drift } from './drift.ts';
import { type Reference, referenceOf } from './reference.ts';

export interface DriftWatch {
  /** A part was judged. */
  see(result: Pick<Result, 'camera' | 'model'>, seen: Pick<Seen, 'features'>): void;
}

export interface DriftWatchDeps {
  readonly log: Log;
  readonly metrics: Pick<Metrics, 'watchDrift'>;
}

/**
 * The examples of a head are read from the store when it judges its first part; the parts until then are passed over.
 * Each head begins anew: what was far from the old one's examples may be near to those of the new one.
 */
export function createDriftWatch(storageDirectory: string, deps: DriftWatchDeps): DriftWatch {
  const log = deps.log.child({ component: 'drift' });
  let now: { readonly version: string; reference?: Reference | undefined } | undefined;
  let cameras = new Map<string, Drift>();

  async function read(version: string): Promise<Reference | undefined> {
    const { manifest, model } = await (await openStore(storageDirectory)).read(version);
    const head = decodeHead(model, manifest.labels);
    return head && (await referenceOf(head));
  }

  function begin(version: string): void {
    const begun: typeof now = { version };
    now = begun;
    cameras = new Map();
    if (version === 'none') return;
    read(version).then(
      (reference) => {
        begun.reference = reference;
        if (!reference) log.info({ version }, 'drift is not watched: the head knows too few of its examples');
      },
      (error: Error) => log.warn({ version }, `drift is not watched: ${error.message}`),
    );
  }

  return {
    see({ camera, model: { version } }, { features }) {
      // Without features nothing was judged, and the version says only what would have.
      if (!features) return;
      if (now?.version !== version) begin(version);
      if (!now?.reference) return;
      let drift = cameras.get(camera);
      if (!drift) {
        drift = createDrift(now.reference);
        cameras.set(camera, drift);
        deps.metrics.watchDrift(camera, () => cameras.get(camera)?.value);
      }
      drift.add(features);
    },
  };
}
