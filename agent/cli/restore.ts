/** `qc-agent restore` */
import type { Command } from 'commander';
import { version } from '../../config/package.ts';
import type { BackupContent } from '../backup/backup.ts';
import { checkBackup, type Restored, restore } from '../backup/restore.ts';
import { answer, type CommandAnswer } from './answer.ts';
import { configFile, type FileOptions, json } from './options.ts';
import { recorded } from './recorded.ts';
import { unlessStopped, workDeps } from './shell.ts';

export function addRestore(program: Command): void {
  program
    .command('restore <file>')
    .description(
      'replace dataset, models, bases and recipe with those of a backup; the agent must be stopped',
    )
    .addOption(configFile())
    .option('--check', 'only verify that the backup is complete; change nothing')
    .addOption(json('what was restored'))
    .addHelpText(
      'after',
      '\nExamples:\n  qc-agent restore press-3.zip --check --config agent.yaml\n  qc-agent restore press-3.zip --config agent.yaml\n  unzip -p press-3.zip config.yaml > agent.yaml',
    )
    .action((file: string, options: FileOptions & { check?: boolean }) => {
      const deps = { version, ...workDeps(options.json) };
      // Not `answerRecorded`: a restore must also work over data of a newer agent.
      return answer(options, async (config) => {
        const work: Promise<BackupContent | Restored> = options.check
          ? checkBackup(file, deps)
          : recorded(config, 'restore', { file }, () => restore(config, file, deps));
        const found = await unlessStopped(deps.signal, 'nothing was kept or changed', work);
        return described(options.check ? `${file} is complete` : `restored from ${file}`, found);
      });
    });
}

function described(what: string, found: BackupContent | Restored): CommandAnswer {
  const { files, station, createdAt, agent, frames, versions, active = 'none' } = found;
  const lines = [
    `${what}: ${files} files, all hashes are correct`,
    `station ${station}, ${createdAt}, qc-edge-agent ${agent}: ${frames} labelled frames, ${versions.length} versions, active: ${active}`,
    ...('before' in found
      ? [`the previous files are in ${found.before}: delete them when they are no longer needed`]
      : []),
  ];
  return { text: lines.join('\n'), json: found };
}
