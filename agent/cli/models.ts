/** `qc-agent models …`: versions of the head. */
import type { Command } from 'commander';
import { answer, answerRecorded } from './answer.ts';
import {
  modelsExportBaseCommand,
  modelsExportCommand,
  modelsListCommand,
  modelsPromoteCommand,
  modelsRollbackCommand,
  modelsShowCommand,
} from './models-commands.ts';
import { modelsSealCommand } from './models-seal.ts';
import { configFile, type FileOptions, json } from './options.ts';
import { addQuantize } from './quantize.ts';
import { whoami } from './shell.ts';

export function addModels(program: Command): void {
  const models = program
    .command('models')
    .description('the versions of the head on disk: look at them, choose which one judges');
  models
    .command('list')
    .description('every version, oldest first; * marks the active one')
    .addOption(configFile())
    .addOption(json('the versions'))
    .addHelpText('after', '\nExample:\n  qc-agent models list --config agent.yaml')
    .action((options: FileOptions) => answer(options, modelsListCommand));
  models
    .command('show <version>')
    .description('labels, base, thresholds and training of one version')
    .addOption(configFile())
    .addOption(json('the manifest'))
    .addHelpText('after', '\nExample:\n  qc-agent models show 2026-11-23.2 --config agent.yaml')
    .action((version: string, options: FileOptions) =>
      answer(options, (config) => modelsShowCommand(config, version)),
    );
  models
    .command('promote <version>')
    .description('make a version the active one, from the next start on')
    .addOption(configFile())
    .addOption(json('what is active now'))
    .addHelpText('after', '\nExample:\n  qc-agent models promote 2026-11-23.2 --config agent.yaml')
    .option('--override <reason>', 'although its gate refuses it; the reason is recorded')
    .action((version: string, options: FileOptions & { override?: string }) =>
      answerRecorded(options, 'promote', { version, override: options.override }, (config) =>
        modelsPromoteCommand(config, version, { by: whoami(), override: options.override }),
      ),
    );
  models
    .command('rollback')
    .description('back to the version that was active before, from the next start on')
    .addOption(configFile())
    .addOption(json('what is active now'))
    .addHelpText('after', '\nExample:\n  qc-agent models rollback --config agent.yaml')
    .action((options: FileOptions) =>
      answerRecorded(options, 'rollback', {}, (config) => modelsRollbackCommand(config, { by: whoami() })),
    );
  models
    .command('export <version> <file>')
    .description('write base and head as one plain ONNX file that other runtimes read')
    .addOption(configFile())
    .addOption(json('what was written'))
    .addHelpText(
      'after',
      '\nExample:\n  qc-agent models export 2026-11-23.2 press-3.onnx --config agent.yaml',
    )
    .action((version: string, file: string, options: FileOptions) =>
      answer(options, (config) => modelsExportCommand(config, version, file)),
    );
  models
    .command('export-base <file>')
    .description('write the base as an inference server has to run it (docs/remote.md)')
    .addOption(configFile())
    .addOption(json('what was written'))
    .addHelpText(
      'after',
      '\nExample:\n  qc-agent models export-base repository/base/1/model.onnx --config agent.yaml',
    )
    .action((file: string, options: FileOptions) =>
      answer(options, (config) => modelsExportBaseCommand(config, file)),
    );
  models
    .command('seal')
    .description('add a checksum to manifests that an earlier version, or a person, wrote without one')
    .addOption(configFile())
    .addOption(json('the files'))
    .addHelpText('after', '\nExample:\n  qc-agent models seal --config agent.yaml')
    .action((options: FileOptions) => answerRecorded(options, 'seal', {}, modelsSealCommand));
  addQuantize(models);
}
