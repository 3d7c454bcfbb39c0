/** `qc-agent dataset undo` */
import type { Command } from 'commander';
import { openDataset } from '../../../calibration/dataset/dataset.ts';
import { inWords } from '../../../calibration/dataset/undo-view.ts';
import type { Config } from '../../../config/schema.ts';
import { answerRecorded, type CommandAnswer } from '../answer.ts';
import { configFile, type FileOptions, json } from '../options.ts';
import { warn, whoami } from '../shell.ts';

export function addUndo(dataset: Command): void {
  dataset
    .command('undo')
    .description('undo your last change made on the command line')
    .addOption(configFile())
    .addOption(json('what was undone'))
    .addHelpText('after', '\nExample:\n  qc-agent dataset undo --config agent.yaml')
    .action((options: FileOptions) =>
      answerRecorded(options, 'undo', {}, (config) => datasetUndoCommand(config, whoami())),
    );
}

/** @throws QcError nothing-to-undo, undo-overtaken, dataset-busy, dataset-write-failed */
async function datasetUndoCommand(
  { storage, labels: { good } }: Pick<Config, 'storage' | 'labels'>,
  by: string,
): Promise<CommandAnswer> {
  await using dataset = await openDataset(storage.directory, { onNotice: warn, labels: good });
  const { frames } = dataset;
  const undone = inWords(await dataset.undo({ by }), frames);
  return { text: `undone: ${undone}`, json: { undone } };
}
