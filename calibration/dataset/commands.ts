/** What `qc-agent dataset …` says and does; the command line wires it. */
import type { Config } from '../../config/schema.ts';
import type { CommandAnswer } from '../../models/commands.ts';
import { openDataset, readDataset } from './dataset.ts';
import { exportDataset } from './export.ts';
import { importPictures } from './import.ts';
import { openPictures } from './pictures.ts';

type DatasetConfig = Pick<Config, 'storage' | 'labels'>;

export interface DatasetCommandDeps {
  readonly onNotice: (text: string) => void;
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** Skipped files that are named; the rest are counted. */
const mostNamed = 20;

/** @throws QcError dataset-source, dataset-busy, dataset-write-failed */
export async function datasetImportCommand(
  { storage, labels: { good } }: DatasetConfig,
  path: string,
  { onNotice, ...options }: DatasetCommandDeps,
): Promise<CommandAnswer> {
  await using source = await openPictures(path);
  await using dataset = await openDataset(storage.directory, { onNotice, labels: good });
  const imported = await importPictures(source, dataset, { ...options, by: 'import' });
  const { added, relabelled, same, skipped } = imported;
  const named = skipped.slice(0, mostNamed).map(({ file, reason }) => `  ${file}: ${reason}`);
  const more = skipped.length - named.length;
  const text = [
    `${added} added, ${relabelled} relabelled, ${same} there already, ${skipped.length} skipped` +
      (options.signal?.aborted ? '; stopped before the end, run it again for the rest' : ''),
    ...named,
    ...(more > 0 ? [`  and ${more} more: --json names them all`] : []),
  ].join('\n');
  return { text, json: { ...imported, revision: dataset.revision, total: dataset.frames.length } };
}

/** Labels with their counts. */
export async function datasetStatsCommand(
  { storage, labels: { good } }: DatasetConfig,
  { onNotice }: DatasetCommandDeps,
): Promise<CommandAnswer> {
  const { frames, revision } = await readDataset(storage.directory, onNotice);
  const counts = new Map<string, number>();
  for (const { label } of frames) counts.set(label, (counts.get(label) ?? 0) + 1);
  const labels = [...counts].sort().map(([label, count]) => ({ label, count, good: good.includes(label) }));
  const json = { frames: frames.length, revision, labels };
  if (frames.length === 0) {
    return { text: 'no labelled frames yet: qc-agent dataset import DIR brings some in', json };
  }
  const width = Math.max(...labels.map(({ label }) => label.length));
  const lines = labels.map(
    ({ label, count, good }) =>
      `  ${label.padEnd(width)}  ${String(count).padStart(6)}${good ? '  good' : ''}`,
  );
  return {
    text: [`${frames.length} labelled frames, revision ${revision.slice(0, 12)}`, ...lines].join('\n'),
    json,
  };
}

/** @throws QcError dataset-target, dataset-write-failed */
export async function datasetExportCommand(
  { storage }: DatasetConfig,
  target: string,
  { onNotice, onProgress }: DatasetCommandDeps,
): Promise<CommandAnswer> {
  const dataset = await readDataset(storage.directory, onNotice);
  await exportDataset(dataset, target, onProgress);
  const { revision, frames } = dataset;
  return {
    text: `${frames.length} labelled frames written to ${target}`,
    json: { target, revision, frames: frames.length },
  };
}
