/** `qc-agent models list` */
import { join } from 'node:path';
import type { Command } from 'commander';
import type { Config } from '../../../config/schema.ts';
import type { HeadManifest } from '../../../models/manifest.ts';
import { type ListedVersion, openStore } from '../../../models/versions/store.ts';
import { answer, type CommandAnswer } from '../answer.ts';
import { configFile, type FileOptions, json } from '../options.ts';

export function addList(models: Command): void {
  models
    .command('list')
    .description('every version, oldest first; * marks the active one')
    .addOption(configFile())
    .addOption(json('the versions'))
    .addHelpText('after', '\nExample:\n  qc-agent models list --config agent.yaml')
    .action((options: FileOptions) => answer(options, modelsListCommand));
}

/** Every version, oldest first, one line each. */
export async function modelsListCommand({ storage }: Pick<Config, 'storage'>): Promise<CommandAnswer> {
  const { directory } = storage;
  const versions = await (await openStore(directory)).list();
  if (versions.length === 0) {
    const text = `no version in ${join(directory, 'models')} yet: every part is uncertain until a head is trained`;
    return { text, json: [] };
  }
  return { text: versions.map(listLine).join('\n'), json: versions };
}

function listLine(listed: ListedVersion): string {
  const mark = listed.active ? '*' : ' ';
  const said = 'damage' in listed ? `DAMAGED: ${listed.damage}` : summary(listed.manifest);
  return `${mark} ${listed.version.padEnd(13)}  ${said}`;
}

const summary = ({ createdAt, base, labels }: HeadManifest) =>
  `${createdAt.slice(0, 16).replace('T', ' ')}  ${base.name}  ${labels.join(', ')}`;
