/** What `qc-agent dataset …` says and does; the command line wires it. */

import { indexAnnotations } from '../../calibration/dataset/annotations.ts';
import { readDataset } from '../../calibration/dataset/dataset.ts';
import { exportDataset } from '../../calibration/dataset/export.ts';
import type { Config } from '../../config/schema.ts';
import type { CommandAnswer } from './models-commands.ts';

type DatasetConfig = Pick<Config, 'storage' | 'labels'>;

export interface DatasetCommandDeps {
  readonly onNotice: (text: string) => void;
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
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
  const { ids } = await indexAnnotations(storage.directory);
  const marked = frames.filter(({ id }) => ids.has(id)).length;
  const json = { frames: frames.length, revision, labels, marked };
  if (frames.length === 0) {
    return { text: 'no labelled frames yet: qc-agent dataset import DIR brings some in', json };
  }
  const width = Math.max(...labels.map(({ label }) => label.length));
  const lines = labels.map(
    ({ label, count, good }) =>
      `  ${label.padEnd(width)}  ${String(count).padStart(6)}${good ? '  good' : ''}`,
  );
  return {
    text: [
      `${frames.length} labelled frames, revision ${revision.slice(0, 12)}`,
      ...lines,
      ...(marked > 0 ? [`${marked} of them with boxes, polygons or masks`] : []),
    ].join('\n'),
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
  await exportDataset(dataset, await indexAnnotations(storage.directory), target, onProgress);
  const { revision, frames } = dataset;
  return {
    text: `${frames.length} labelled frames written to ${target}`,
    json: { target, revision, frames: frames.length },
  };
}
