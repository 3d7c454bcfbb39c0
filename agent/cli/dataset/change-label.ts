/** `qc-agent dataset rename`, `merge` and `delete`: change one label of many frames. */
import type { Command } from 'commander';
import { openDataset, readDataset } from '../../../calibration/dataset/dataset.ts';
import {
  changeLabel,
  type LabelChange,
  labelUsers,
  previewLabelChange,
} from '../../../calibration/dataset/label-change.ts';
import type { Config } from '../../../config/schema.ts';
import { openStore } from '../../../models/versions/store.ts';
import { answerRecorded, type CommandAnswer } from '../answer.ts';
import { configFile, type FileOptions, json } from '../options.ts';
import { exitWithFailure, warn, whoami } from '../shell.ts';

type LabelConfig = Pick<Config, 'storage' | 'labels' | 'recipes'>;

interface LabelOptions extends FileOptions {
  readonly dryRun?: true;
  readonly yes?: true;
}

export function addRename(dataset: Command): void {
  labelCommand(dataset, 'rename <old> <new>', 'give a label another name')
    .addHelpText('after', '\nExample:\n  qc-agent dataset rename scrach scratch --config agent.yaml')
    .action((label: string, to: string, options: LabelOptions) =>
      carryOut(options, { kind: 'rename', label, to }),
    );
}

export function addMerge(dataset: Command): void {
  labelCommand(dataset, 'merge <label> <into>', 'give all frames of a label another label that is in use')
    .addHelpText(
      'after',
      '\nExample:\n  qc-agent dataset merge kratzer scratch --dry-run --config agent.yaml',
    )
    .action((label: string, to: string, options: LabelOptions) =>
      carryOut(options, { kind: 'merge', label, to }),
    );
}

export function addDelete(dataset: Command): void {
  labelCommand(dataset, 'delete <label>', 'take all frames of a label out of the dataset')
    .option('--yes', 'delete; without this option it is a dry run that exits with 1')
    .addHelpText('after', '\nExample:\n  qc-agent dataset delete test --yes --config agent.yaml')
    .action(async (label: string, options: LabelOptions) => {
      await carryOut(options, { kind: 'delete', label }, options.yes ? options.dryRun : true);
      if (!options.yes && !options.dryRun) exitWithFailure();
    });
}

function labelCommand(dataset: Command, name: string, description: string): Command {
  return dataset
    .command(name)
    .description(description)
    .addOption(configFile())
    .option('--dry-run', 'only report the number of frames and the consequences')
    .addOption(json('the counts'));
}

function carryOut(options: LabelOptions, change: LabelChange, dryRun = options.dryRun): Promise<void> {
  return answerRecorded(options, `label-${change.kind}`, { ...change, dryRun }, (config) =>
    datasetLabelCommand(config, change, { by: whoami(), dryRun }),
  );
}

interface LabelCommandOptions {
  /** The author of the change. */
  readonly by: string;
  /** Only report what would happen. */
  readonly dryRun?: boolean | undefined;
}

/** @throws QcError label-unknown, label-exists, label-invalid, label-configured, dataset-busy, dataset-write-failed */
async function datasetLabelCommand(
  config: LabelConfig,
  change: LabelChange,
  { by, dryRun = false }: LabelCommandOptions,
): Promise<CommandAnswer> {
  const { directory } = config.storage;
  const listed = await (await openStore(directory)).list();
  const heads = listed.map((one) => ({ labels: [], ...('manifest' in one ? one.manifest : {}), ...one }));
  const users = labelUsers(config, heads);
  const carryOut = async () => {
    await using dataset = await openDataset(directory, { onNotice: warn, labels: config.labels.good });
    return await changeLabel(dataset, change, { by }, users);
  };
  const preview = dryRun
    ? previewLabelChange(await readDataset(directory, warn), change, users)
    : await carryOut();
  const { frames, others, effects } = preview;
  const count = frames === 1 ? '1 frame' : `${frames} frames`;
  const goes =
    change.kind === 'delete'
      ? `${count} labelled "${change.label}" ${dryRun ? 'would be removed' : 'removed'}`
      : `${count} ${dryRun ? 'would get' : frames === 1 ? 'now has' : 'now have'} the label "${change.to}"${others > 0 ? `, in addition to ${others} that already have it` : ''}`;
  const text = [goes, ...effects, dryRun ? 'nothing was changed' : 'qc-agent dataset undo reverts it'];
  return { text: text.join('\n'), json: { done: !dryRun, ...change, ...preview } };
}
