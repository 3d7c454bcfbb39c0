/** `qc-agent models show` */
import type { Command } from 'commander';
import type { Config } from '../../../config/schema.ts';
import { openBase } from '../../../models/base.ts';
import type { HeadManifest } from '../../../models/manifest.ts';
import { fastestOf } from '../../../models/run/fastest.ts';
import { withBaseInUse } from '../../../models/versions/pair.ts';
import { openStore } from '../../../models/versions/store.ts';
import { answer, type CommandAnswer } from '../answer.ts';
import { configFile, type FileOptions, json } from '../options.ts';

type ShowConfig = Pick<Config, 'model' | 'storage'>;

export function addShow(models: Command): void {
  models
    .command('show <version>')
    .description('show labels, base, thresholds and training of a version')
    .addOption(configFile())
    .addOption(json('the manifest'))
    .addHelpText('after', '\nExample:\n  qc-agent models show 2026-11-23.2 --config agent.yaml')
    .action((version: string, options: FileOptions) =>
      answer(options, (config) => modelsShowCommand(config, version)),
    );
}

/** @throws QcError version-unknown, head-damaged */
export async function modelsShowCommand(config: ShowConfig, version: string): Promise<CommandAnswer> {
  const store = await openStore(config.storage.directory);
  const { manifest } = await store.read(version);
  const active = (await store.active()) === version;
  const variant = await variantOf(config);
  const text = [
    details(manifest, active),
    variant.precision === 'nothing'
      ? `The base cannot be used: ${variant.because}`
      : `On the CPU it judges with ${variant.precision}: ${variant.because}`,
  ].join('\n');
  return { text, json: { version, active, manifest, ...variant } };
}

/** The variant of the base that would be used at the next start, and why. */
async function variantOf({ model, storage }: ShowConfig) {
  try {
    const storageDirectory = storage.directory;
    const request = { ...(await withBaseInUse(model, storageDirectory)), storageDirectory };
    const { base, because } = await fastestOf(request, await openBase(request));
    return { precision: base.manifest.precision, because };
  } catch (error) {
    return { precision: 'nothing', because: (error as Error).message };
  }
}

function details(manifest: HeadManifest, active: boolean): string {
  const { version, createdAt, base, labels, thresholds, training } = manifest;
  const { pass, fail, failByLabel = {} } = thresholds ?? {};
  const own = Object.entries(failByLabel).map(([label, value]) => `, ${label} ${value}`);
  const rows: [string, string][] = [
    ['version', active ? `${version} (active)` : version],
    ['made', createdAt],
    ['base', `${base.name} (${base.sha256.slice(0, 12)}…), tensor ${base.features}`],
    ['labels', labels.join(', ')],
    ['thresholds', thresholds ? `pass ${pass}, fail ${fail}${own.join('')}` : 'those of the configuration'],
    ...Object.entries(training).map(([key, value]): [string, string] => [
      key,
      typeof value === 'object' ? JSON.stringify(value) : String(value),
    ]),
  ];
  const width = Math.max(...rows.map(([key]) => key.length));
  return rows.map(([key, value]) => `${key.padEnd(width)}  ${value}`).join('\n');
}
