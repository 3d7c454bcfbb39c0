/** Checks the configuration: reports all problems, or a summary. */
import { readDocument } from '../../config/document.ts';
import type { Environment } from '../../config/environment.ts';
import { loadConfig } from '../../config/load.ts';
import { ConfigError } from '../../config/problems.ts';
import type { Config } from '../../config/schema.ts';
import { type Finding, failure, good, warning } from './finding.ts';

export interface ConfigFindings {
  /** Undefined if it is invalid. */
  readonly config?: Config;
  readonly findings: Finding[];
}

/** @throws ConfigError if the file does not exist or is not YAML */
export function checkConfig(file: string, env: Environment): ConfigFindings {
  readDocument(file);
  const warnings: Finding[] = [];
  try {
    const config = loadConfig(file, env, (text) =>
      warnings.push(warning('config', text, 'allow only the user who runs the agent to read it')),
    );
    const cameras = Object.keys(config.cameras);
    const said = `${file}, station ${config.station}, ${cameras.length === 1 ? 'camera' : 'cameras'} ${cameras.join(', ')}`;
    return { config, findings: [good('config', said), ...warnings] };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const findings = error.problems.map(({ where, key, what, remedy }) =>
      failure('config', `${where}${key ? ` ${key}` : ''}: ${what}`, remedy),
    );
    return { findings: [...findings, ...warnings] };
  }
}
