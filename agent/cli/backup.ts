/** `qc-agent backup` and `restore`. */
import type { Command } from 'commander';

import { version } from '../../config/package.ts';
import { type BackupDeps, backupCommand } from '../backup/backup.ts';
import { checkBackupCommand, restoreCommand } from '../backup/restore.ts';
import { answer, recorded } from './answer.ts';
import { configFile, type FileOptions, json } from './options.ts';
import { isWatched, showProgress, unlessStopped, untilSignal, warn } from './shell.ts';

export function addBackup(program: Command): void {
  program
    .command('backup <file>')
    .description('write dataset, models, bases, recipe and config into one zip, also while the agent runs')
    .addOption(configFile())
    .addOption(json('what was saved'))
    .addHelpText('after', '\nExample:\n  qc-agent backup /mnt/nas/press-3.zip --config agent.yaml')
    .action((target: string, options: FileOptions) => {
      const deps = depsOf(options);
      return answer(options, (config) =>
        whole(deps, backupCommand(config, { configFile: options.config, target }, deps)),
      );
    });
}

export function addRestore(program: Command): void {
  program
    .command('restore <file>')
    .description('put a backup in the place of dataset, models, bases and recipe, while no agent runs')
    .addOption(configFile())
    .option('--check', 'only prove that the backup is whole; change nothing')
    .addOption(json('what was restored'))
    .addHelpText(
      'after',
      '\nExamples:\n  qc-agent restore press-3.zip --check --config agent.yaml\n  qc-agent restore press-3.zip --config agent.yaml\n  unzip -p press-3.zip config.yaml > agent.yaml',
    )
    .action((file: string, options: FileOptions & { check?: boolean }) => {
      const deps = depsOf(options);
      // Not `answerRecorded`: over what a newer agent wrote, this is the way back.
      return answer(options, (config) =>
        whole(
          deps,
          options.check
            ? checkBackupCommand(file, deps)
            : recorded(config, 'restore', { file }, () => restoreCommand(config, file, deps)),
        ),
      );
    });
}

function whole<T>({ signal }: BackupDeps, work: Promise<T>): Promise<T> {
  return unlessStopped(signal, 'nothing was kept or changed', work);
}

function depsOf({ json }: FileOptions): BackupDeps {
  return {
    version,
    onNotice: warn,
    signal: untilSignal(),
    ...(!json && isWatched && { onProgress: showProgress }),
  };
}
