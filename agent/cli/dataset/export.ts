/** `qc-agent dataset export` */
import type { Command } from 'commander';
import { indexAnnotations } from '../../../calibration/dataset/annotations.ts';
import { readDataset } from '../../../calibration/dataset/dataset.ts';
import { exportDataset } from '../../../calibration/dataset/export.ts';
import type { Config } from '../../../config/schema.ts';
import { answer, type CommandAnswer } from '../answer.ts';
import { configFile, type FileOptions, json } from '../options.ts';
import { type WorkDeps, workDeps } from '../shell.ts';

export function addExport(dataset: Command): void {
  dataset
    .command('export <target>')
    .description('export the dataset to a new folder or .zip, which other tools and import can read')
    .addOption(configFile())
    .addOption(json('what was written'))
    .addHelpText('after', '\nExample:\n  qc-agent dataset export press-3.zip --config agent.yaml')
    .action((target: string, options: FileOptions) =>
      answer(options, (config) => datasetExportCommand(config, target, workDeps(options.json))),
    );
}

/** @throws QcError dataset-target, dataset-write-failed */
async function datasetExportCommand(
  { storage }: Pick<Config, 'storage'>,
  target: string,
  { onNotice, onProgress }: WorkDeps,
): Promise<CommandAnswer> {
  const dataset = await readDataset(storage.directory, onNotice);
  await exportDataset(dataset, await indexAnnotations(storage.directory), target, onProgress);
  const { revision, frames } = dataset;
  return {
    text: `${frames.length} labelled frames written to ${target}`,
    json: { target, revision, frames: frames.length },
  };
}
