/** Dependencies of every stage; they need no opening and no closing. */
import type { Config } from '../../config/schema.ts';
import { Liveness } from '../lifecycle/liveness.ts';
import type { Log } from '../lifecycle/log.ts';
import { createMetrics, type Metrics } from '../metrics/metrics.ts';
import { Station } from '../station.ts';

export interface CoreDeps {
  readonly log: Log;
  /** Version of the agent. */
  readonly version: string;
}

export interface Core extends CoreDeps {
  readonly config: Config;
  readonly metrics: Metrics;
  /** State of the station; its parts report problems here. */
  readonly station: Station;
  /** Whether the agent makes progress, for a watchdog. */
  readonly liveness: Liveness;
}

export function createCore(config: Config, { log, version }: CoreDeps): Core {
  const metrics = createMetrics({ version });
  metrics.unitCosts(config.training.costs);
  metrics.watchStorage(config.storage.directory);
  return { config, log, version, metrics, station: new Station(version), liveness: new Liveness() };
}
