/** `qc-agent backup` */
import type { Command } from 'commander';
import { version } from '../../config/package.ts';
import { type BackupFacts, backup } from '../backup/backup.ts';
import { answer, type CommandAnswer } from './answer.ts';
import { configFile, type FileOptions, json } from './options.ts';
import { unlessStopped, workDeps } from './shell.ts';

export function addBackup(program: Command): void {
  program
    .command('backup <file>')
    .description('write dataset, models, bases, recipe and config to one zip; the agent may be running')
    .addOption(configFile())
    .addOption(json('what was saved'))
    .addHelpText('after', '\nExample:\n  qc-agent backup /mnt/nas/press-3.zip --config agent.yaml')
    .action((target: string, options: FileOptions) => {
      const deps = { version, ...workDeps(options.json) };
      return answer(options, async (config) => {
        const work = backup(config, { configFile: options.config, target }, deps);
        return saved(await unlessStopped(deps.signal, 'nothing was kept or changed', work));
      });
    });
}

function saved(facts: BackupFacts): CommandAnswer {
  const { file, bytes, files, frames, versions, active = 'none' } = facts;
  return {
    text: [
      `${file}: ${(bytes / 1e6).toFixed(1)} MB, ${files} files, each with its hash`,
      `${frames} labelled frames, ${versions.length} versions, active: ${active}`,
      'Check it with: qc-agent restore FILE --check',
    ].join('\n'),
    json: facts,
  };
}
