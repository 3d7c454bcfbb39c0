/** `qc-agent models rollback` */
import type { Command } from 'commander';
import type { Config } from '../../../config/schema.ts';
import { rollbackVersion } from '../../../models/versions/promote.ts';
import { answerRecorded, type CommandAnswer } from '../answer.ts';
import { configFile, type FileOptions, json } from '../options.ts';
import { whoami } from '../shell.ts';
import { changed } from './promote.ts';

export function addRollback(models: Command): void {
  models
    .command('rollback')
    .description('return to the previously active version, from the next start on')
    .addOption(configFile())
    .addOption(json('what is active now'))
    .addHelpText('after', '\nExample:\n  qc-agent models rollback --config agent.yaml')
    .action((options: FileOptions) =>
      answerRecorded(options, 'rollback', {}, (config) => modelsRollbackCommand(config, { by: whoami() })),
    );
}

/** @throws QcError as `rollbackVersion` */
export async function modelsRollbackCommand(
  config: Pick<Config, 'model' | 'storage' | 'mqtt'>,
  options: { readonly by: string },
): Promise<CommandAnswer> {
  return changed(config, await rollbackVersion(config, options), { action: 'rollback' });
}
