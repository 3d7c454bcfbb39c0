/** What `qc-agent dataset rename`, `merge`, `delete` and `undo` say and do; the command line wires it. */

import { openDataset, readDataset } from '../../calibration/dataset/dataset.ts';
import {
  changeLabel,
  type LabelChange,
  labelUsers,
  previewLabelChange,
} from '../../calibration/dataset/label-change.ts';
import { inWords } from '../../calibration/dataset/undo-view.ts';
import type { Config } from '../../config/schema.ts';
import { openStore } from '../../models/versions/store.ts';
import type { DatasetCommandDeps } from './dataset-commands.ts';
import type { CommandAnswer } from './models-commands.ts';

type LabelConfig = Pick<Config, 'storage' | 'labels' | 'recipes'>;

export interface LabelCommandOptions {
  /** Who asks. */
  readonly by: string;
  /** Only say what would happen. */
  readonly dryRun?: boolean | undefined;
}

/** @throws QcError label-unknown, label-exists, label-invalid, label-configured, dataset-busy, dataset-write-failed */
export async function datasetLabelCommand(
  config: LabelConfig,
  change: LabelChange,
  { by, dryRun = false }: LabelCommandOptions,
  { onNotice }: Pick<DatasetCommandDeps, 'onNotice'>,
): Promise<CommandAnswer> {
  const { directory } = config.storage;
  const listed = await (await openStore(directory)).list();
  const heads = listed.map((one) => ({ labels: [], ...('manifest' in one ? one.manifest : {}), ...one }));
  const users = labelUsers(config, heads);
  const carryOut = async () => {
    await using dataset = await openDataset(directory, { onNotice, labels: config.labels.good });
    return await changeLabel(dataset, change, { by }, users);
  };
  const preview = dryRun
    ? previewLabelChange(await readDataset(directory, onNotice), change, users)
    : await carryOut();
  const { frames, others, effects } = preview;
  const count = frames === 1 ? '1 frame' : `${frames} frames`;
  const goes =
    change.kind === 'delete'
      ? `${count} labelled "${change.label}" ${dryRun ? 'would be removed' : 'removed'}`
      : `${count} ${dryRun ? 'would get' : frames === 1 ? 'now has' : 'now have'} the label "${change.to}"${others > 0 ? `, beside ${others} that had it` : ''}`;
  const text = [goes, ...effects, dryRun ? 'nothing was changed' : 'qc-agent dataset undo reverts it'];
  return { text: text.join('\n'), json: { done: !dryRun, ...change, ...preview } };
}

/** @throws QcError nothing-to-undo, undo-overtaken, dataset-busy, dataset-write-failed */
export async function datasetUndoCommand(
  { storage, labels: { good } }: LabelConfig,
  by: string,
  { onNotice }: Pick<DatasetCommandDeps, 'onNotice'>,
): Promise<CommandAnswer> {
  await using dataset = await openDataset(storage.directory, { onNotice, labels: good });
  const { frames } = dataset;
  const undone = inWords(await dataset.undo({ by }), frames);
  return { text: `undone: ${undone}`, json: { undone } };
}
