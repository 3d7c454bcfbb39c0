/** `qc-agent dataset import` */
import { type Command, Option } from 'commander';
import { openDataset, readDataset } from '../../../calibration/dataset/dataset.ts';
import { type Imported, type ImportOptions, importImages } from '../../../calibration/import/import.ts';
import { layoutNames } from '../../../calibration/import/layouts.ts';
import { openSource, type Skipped } from '../../../calibration/import/source.ts';
import type { Config } from '../../../config/schema.ts';
import { answer, answerRecorded, type CommandAnswer } from '../answer.ts';
import { cameraBits, configFile, type FileOptions, json, mapping } from '../options.ts';
import { exitWithFailure, type WorkDeps, workDeps } from '../shell.ts';

export function addImport(dataset: Command): void {
  dataset
    .command('import <path>')
    .description(
      'import labelled images from a folder or .zip: one folder per label, MVTec AD, COCO, YOLO, Pascal VOC, CVAT, Label Studio, labelme, CSV',
    )
    .addOption(configFile())
    .addOption(json('what was imported and what was skipped'))
    .option('--dry-run', 'report what would be imported; write nothing')
    .addOption(new Option('--layout <name>', 'layout, if several are possible').choices(layoutNames))
    .addOption(
      new Option(
        '--label-from <folder>',
        'the folder whose name is the label: the one that contains the image (parent), or the outermost (top)',
      ).choices(['parent', 'top']),
    )
    .option('--label-column <name>', 'column of a table that contains the label')
    .option('--label <name>', 'label of all images')
    .option(
      '--map <written=label>',
      'map a label in the source to a label in the dataset; may be repeated',
      mapping,
    )
    .option('--unannotated <label>', 'label of images without an annotation, for example good')
    .option('--bits <number>', 'bit depth of the camera in 16-bit images: 9 to 16', cameraBits)
    .option('--relabel', 'relabel frames that are already in the dataset')
    .option('--follow-links', 'follow symbolic links')
    .addHelpText(
      'after',
      [
        '\nExamples:',
        '  qc-agent dataset import ./pictures --dry-run --config agent.yaml',
        '  qc-agent dataset import coco.zip --unannotated good --map OK=good --config agent.yaml',
      ].join('\n'),
    )
    .action((path: string, options: FileOptions & ImportRequest) =>
      options.dryRun
        ? answer(options, (config) => importFrom(config, path, options))
        : answerRecorded(options, 'import', { path }, (config) => importFrom(config, path, options)),
    );
}

async function importFrom(config: Config, path: string, options: FileOptions & ImportRequest) {
  const { config: _, json: __, ...request } = options;
  const imported = await datasetImportCommand(config, path, request, workDeps(options.json));
  if (imported.isNothing) exitWithFailure();
  return imported;
}

type ImportRequest = Pick<
  ImportOptions,
  'layout' | 'labelFrom' | 'labelColumn' | 'label' | 'unannotated' | 'map' | 'bits' | 'relabel'
> & { readonly followLinks?: boolean; readonly dryRun?: boolean };

interface ImportAnswer extends CommandAnswer {
  /** Whether nothing of the source is in the dataset. */
  readonly isNothing: boolean;
}

/** Maximum number of files named for each reason; the rest are counted. */
const maxNamed = 5;

/** @throws QcError dataset-source, dataset-layout, label-ambiguous, dataset-busy, dataset-write-failed */
async function datasetImportCommand(
  { storage, labels }: Pick<Config, 'storage' | 'labels'>,
  path: string,
  { followLinks, dryRun, ...request }: ImportRequest,
  { onNotice, signal, onProgress }: WorkDeps,
): Promise<ImportAnswer> {
  await using source = await openSource(path, { followLinks: followLinks ?? false });
  const options = { ...request, good: labels.good, by: 'import', signal, onProgress };
  if (dryRun) {
    const dataset = await readDataset(storage.directory, onNotice);
    return answerOf(await importImages(source, dataset, options), dataset, signal);
  }
  await using dataset = await openDataset(storage.directory, { onNotice, labels: labels.good });
  return answerOf(await importImages(source, dataset, options), dataset, signal);
}

function answerOf(
  imported: Imported,
  { revision, frames }: { readonly revision: string; readonly frames: { readonly length: number } },
  signal: AbortSignal | undefined,
): ImportAnswer {
  const { added, relabelled, same } = imported;
  const isNothing = added + relabelled + same === 0;
  return {
    text: textOf(imported, signal?.aborted ?? false, isNothing),
    json: { ...imported, revision, total: frames.length },
    isNothing,
  };
}

function textOf(imported: Imported, isStopped: boolean, isNothing: boolean): string {
  const { what, isDryRun, found, added, relabelled, same, masks, annotations, skipped, marked } = imported;
  const would = isDryRun ? 'would be ' : '';
  const labels = imported.labels.map(
    ({ label, count, good }) => `${label} ${count} (${good ? 'good' : 'defect'})`,
  );
  return [
    `layout: ${what || 'none: the labels of the images are not given'}`,
    ...(labels.length > 0 ? [`labels: ${labels.join(', ')}`] : []),
    ...(marked > 0 ? [`${marked} images with boxes, polygons or masks, which are kept`] : []),
    `${found} files found: ${added} ${would}added, ${relabelled} ${would}relabelled, ${same} already in the dataset, ` +
      `${masks} masks and ${annotations} annotation files read, ${skipped.length} skipped` +
      (isStopped ? '; stopped before the end, run it again for the rest' : ''),
    ...skippedLines(skipped),
    ...imported.notes.map((note) => `note: ${note}`),
    ...(isNothing ? ['nothing was imported'] : isDryRun ? ['nothing was written: this was a dry run'] : []),
  ].join('\n');
}

/** A file name must not control the terminal. */
const printable = (name: string) => name.replace(/[\p{Cc}\p{Cf}]/gu, '\ufffd');

function skippedLines(skipped: readonly Skipped[]): string[] {
  const byReason = new Map<string, string[]>();
  for (const { file, reason } of skipped) byReason.set(reason, [...(byReason.get(reason) ?? []), file]);
  return [...byReason].map(([reason, files]) => {
    const more = files.length - maxNamed;
    const named =
      files.slice(0, maxNamed).map(printable).join(', ') + (more > 0 ? ` and ${more} more (--json)` : '');
    return `  skipped ${files.length}: ${reason}\n    ${named}`;
  });
}
