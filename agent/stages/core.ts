/** Dependencies of every stage; they need no opening and no closing. */
import type { Environment } from '../../config/environment.ts';
import type { Config } from '../../config/schema.ts';
import { Liveness } from '../lifecycle/liveness.ts';
import type { Log } from '../lifecycle/log.ts';
import { createMetrics, type Metrics } from '../metrics/metrics.ts';
import { LiveConfig } from '../settings/live-config.ts';
import { Station } from '../station.ts';

export interface CoreDeps {
  readonly log: Log;
  /** Version of the agent. */
  readonly version: string;
  /** Where the configuration comes from; absent: it cannot be changed while the agent runs. */
  readonly source?: ConfigSource;
}

export interface ConfigSource {
  readonly file: string;
  readonly env: Environment;
  /** Closes this agent and opens it again with the configuration of the file. */
  readonly restart: () => void;
}

export interface Core extends CoreDeps {
  /** Sections are read at each access, because some keys change while the line runs. */
  readonly config: Config;
  readonly live: LiveConfig;
  readonly metrics: Metrics;
  /** State of the station; its parts report problems here. */
  readonly station: Station;
  /** Whether the agent makes progress, for a watchdog. */
  readonly liveness: Liveness;
}

export function createCore(config: Config, { log, version, source }: CoreDeps): Core {
  const metrics = createMetrics({ version });
  metrics.unitCosts(config.training.costs);
  metrics.watchStorage(config.storage.directory);
  const live = new LiveConfig(config);
  const own = { config: live.view, live, log, version, metrics };
  return { ...own, ...(source && { source }), station: new Station(version), liveness: new Liveness() };
}
