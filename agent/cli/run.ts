/** `qc-agent run`: the daemon. */
import { resolve } from 'node:path';
import type { Command } from 'commander';

import { loadConfig } from '../../config/load.ts';
import { version } from '../../config/package.ts';
import { openAgent } from '../agent.ts';
import { collectPixelsEarly } from '../camera/pixel-gc.ts';
import { openLog } from '../lifecycle/log.ts';
import { openServiceManager } from '../lifecycle/systemd.ts';
import { configFile } from './options.ts';
import { aborted, environment, isWatched, pid, untilSignal } from './shell.ts';

export function addRun(program: Command): void {
  program
    .command('run')
    .description('run the inspection until SIGTERM or Ctrl-C')
    .addOption(configFile())
    .option(
      '--profile <dir>',
      'write the onnxruntime profile of the base to this folder: time per node, first 500 runs',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  qc-agent run --config /etc/qc-agent/agent.yaml\n  qc-agent run --config agent.yaml --profile ./profile',
    )
    .action((options: { config: string; profile?: string }) => run(options.config, options.profile));
}

async function run(file: string, profile: string | undefined): Promise<void> {
  const signal = untilSignal();
  collectPixelsEarly();
  const warnings: string[] = [];
  const env = profile === undefined ? environment : { ...environment, QC_MODEL__PROFILE: resolve(profile) };
  const config = loadConfig(file, env, (warning) => warnings.push(warning));
  const log = openLog(config.log, isWatched, { station: config.station });
  for (const warning of warnings) log.warn(warning);
  await using manager = openServiceManager(environment, { log, pid });
  manager.status('starting');
  await using agent = await openAgent(config, { log, version });
  agent.station.onChange(() => manager.status(agent.station.line));
  manager.status(agent.station.line);
  manager.ready(() => agent.liveness.hang());
  await Promise.race([aborted(signal), agent.failed]);
  manager.stopping();
  if (profile !== undefined)
    log.info(`the profile was written to ${profile}: open it in Perfetto (ui.perfetto.dev)`);
  log.info('stopping: started parts are finished and delivered first');
}
