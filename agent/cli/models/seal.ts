/** `qc-agent models seal` */
import type { Command } from 'commander';
import type { Config } from '../../../config/schema.ts';
import { sealManifests } from '../../../models/versions/seal.ts';
import { answerRecorded, type CommandAnswer } from '../answer.ts';
import { configFile, type FileOptions, json } from '../options.ts';

export function addSeal(models: Command): void {
  models
    .command('seal')
    .description('add checksums to manifests that have none')
    .addOption(configFile())
    .addOption(json('the files'))
    .addHelpText('after', '\nExample:\n  qc-agent models seal --config agent.yaml')
    .action((options: FileOptions) => answerRecorded(options, 'seal', {}, modelsSealCommand));
}

async function modelsSealCommand(config: Pick<Config, 'model' | 'storage'>): Promise<CommandAnswer> {
  const files = await sealManifests(config);
  const text =
    files.length > 0
      ? files.map((file) => `${file}: checksum added`).join('\n')
      : 'every file has its checksum';
  return { text, json: { sealed: files } };
}
