/** `qc-agent models list` */
import { join } from 'node:path';
import type { Command } from 'commander';
import type { Config } from '../../../config/schema.ts';
import { installedBases } from '../../../models/hubs/installed.ts';
import type { BaseManifest, HeadManifest } from '../../../models/manifest.ts';
import { splitSize } from '../../../models/sized.ts';
import { withBaseInUse } from '../../../models/versions/pair.ts';
import { type ListedVersion, openStore } from '../../../models/versions/store.ts';
import { answer, type CommandAnswer } from '../answer.ts';
import { configFile, type FileOptions, json } from '../options.ts';

export function addList(models: Command): void {
  models
    .command('list')
    .description(
      'list all model versions, oldest first, and the bases with their licences; * marks what is in use',
    )
    .addOption(configFile())
    .addOption(json('the versions'))
    .addHelpText('after', '\nExample:\n  qc-agent models list --config agent.yaml')
    .action((options: FileOptions) => answer(options, modelsListCommand));
}

/** Every version, oldest first, one line each; then the bases. */
export async function modelsListCommand({
  model,
  storage,
}: Pick<Config, 'model' | 'storage'>): Promise<CommandAnswer> {
  const { directory } = storage;
  const bases = await installedBases(directory);
  // If the record of the active version is unreadable, the versions are listed all the same.
  const { base: inUse } = await withBaseInUse(model, directory).catch(() => model);
  const licences = new Map(bases.map(({ name, licence }) => [name, licence]));
  const versions = (await (await openStore(directory)).list()).map((listed) => {
    const licence = 'damage' in listed ? undefined : licences.get(splitSize(listed.manifest.base.name).plain);
    return { ...listed, ...(licence !== undefined && { licence }) };
  });
  const lines =
    versions.length > 0
      ? versions.map(listLine)
      : [`no version in ${join(directory, 'models')} yet: every part is uncertain until a head is trained`];
  return { text: [...lines, '', 'bases:', ...baseLines(bases, inUse)].join('\n'), json: versions };
}

const isOther = (network: string) => /^(?:vision transformer|VGG|MobileNet)/.test(network);

/** Name, features, network, time and licence of each base that can be used; * marks the one in use. */
function baseLines(bases: readonly BaseManifest[], inUse: string): string[] {
  const width = Math.max(0, ...bases.map(({ name }) => name.length));
  const { plain, size } = splitSize(inUse);
  return bases.map(
    ({ name, features, network, cost, licence }) =>
      `${name === plain ? '*' : ' '} ${[
        name.padEnd(width),
        `${features.size} features`,
        ...(size && name === plain ? [`at ${size.width}×${size.height}`] : []),
        ...(network === undefined ? [] : [isOther(network) ? `${network} (not ResNet)` : network]),
        ...(cost === undefined ? [] : [`${cost} × the time of the embedded base`]),
        `licence: ${licence}`,
      ].join('  ')}`,
  );
}

function listLine(listed: ListedVersion): string {
  const mark = listed.active ? '*' : ' ';
  const said = 'damage' in listed ? `DAMAGED: ${listed.damage}` : summary(listed.manifest);
  return `${mark} ${listed.version.padEnd(13)}  ${said}`;
}

const summary = ({ createdAt, base, labels }: HeadManifest) =>
  `${createdAt.slice(0, 16).replace('T', ' ')}  ${base.name}  ${labels.join(', ')}`;
