/** `qc-agent run`: the daemon. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';

import type { Environment } from '../../config/environment.ts';
import { QcError } from '../../config/errors.ts';
import { loadConfig } from '../../config/load.ts';
import { version } from '../../config/package.ts';
import { openAgent } from '../agent.ts';
import { collectPixelsEarly } from '../camera/pixel-gc.ts';
import { openLog } from '../lifecycle/log.ts';
import { openServiceManager } from '../lifecycle/systemd.ts';
import { guideDefaults, guideUnlessStopped } from './guide.ts';
import { aborted, environment, isWatched, pid, untilSignal } from './shell.ts';

export function addRun(program: Command): void {
  program
    .command('run')
    .description('run the inspection until SIGTERM or Ctrl-C')
    .option(
      '-c, --config <file>',
      'the YAML file; default: agent.yaml here; on a terminal, the guide if there is none',
    )
    .option(
      '--profile <dir>',
      'write the onnxruntime profile of the base to this folder: time per node, first 500 runs',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  qc-agent run\n  qc-agent run --config /etc/qc-agent/agent.yaml\n  qc-agent run --config agent.yaml --profile ./profile',
    )
    .action((options: { config?: string; profile?: string }) => run(options.config, options.profile));
}

async function run(given: string | undefined, profile: string | undefined): Promise<void> {
  const signal = untilSignal();
  const file = given ?? 'agent.yaml';
  const env = profile === undefined ? environment : { ...environment, QC_MODEL__PROFILE: resolve(profile) };
  if (given === undefined && !existsSync(file)) {
    // Nobody would see the guide of a service whose command line is wrong.
    if (!isWatched) {
      throw new QcError('config-invalid', `no --config was given, and ${resolve(file)} does not exist`, {
        remedy: 'give --config, or start the guide: qc-agent setup (add --help for the options)',
      });
    }
    const isWritten = await guideUnlessStopped(resolve(file), guideDefaults, signal);
    if (!isWritten) return;
  }
  await runAgent(resolve(file), env, signal);
}

/** Runs until a signal; again after each requested restart. */
export async function runAgent(file: string, env: Environment, signal: AbortSignal): Promise<void> {
  collectPixelsEarly();
  while (await wantsRestart(file, env, signal));
}

/** Runs until a signal, or until somebody requests a restart. @returns whether to run again with the changed file */
async function wantsRestart(file: string, env: Environment, signal: AbortSignal): Promise<boolean> {
  const warnings: string[] = [];
  const config = loadConfig(file, env, (warning) => warnings.push(warning));
  const log = openLog(config.log, isWatched, { station: config.station });
  for (const warning of warnings) log.warn(warning);
  await using manager = openServiceManager(environment, { log, pid });
  manager.status('starting');
  const restart = new AbortController();
  const source = { file, env, restart: () => restart.abort() };
  await using agent = await openAgent(config, { log, version, source });
  agent.station.onChange(() => manager.status(agent.station.line));
  manager.status(agent.station.line);
  manager.ready(() => agent.liveness.hang());
  await Promise.race([aborted(AbortSignal.any([signal, restart.signal])), agent.failed]);
  if (!signal.aborted) {
    log.info('restarting with the changed configuration: started parts are finished and delivered first');
    return true;
  }
  manager.stopping();
  const { profile } = config.model;
  if (profile !== undefined)
    log.info(`the profile was written to ${profile}: open it in Perfetto (ui.perfetto.dev)`);
  log.info('stopping: started parts are finished and delivered first');
  return false;
}
