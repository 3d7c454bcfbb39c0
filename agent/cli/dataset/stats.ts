/** `qc-agent dataset stats` */
import type { Command } from 'commander';
import { indexAnnotations } from '../../../calibration/dataset/annotations.ts';
import { readDataset } from '../../../calibration/dataset/dataset.ts';
import type { Config } from '../../../config/schema.ts';
import { answer, type CommandAnswer } from '../answer.ts';
import { configFile, type FileOptions, json } from '../options.ts';
import { workDeps } from '../shell.ts';

export function addStats(dataset: Command): void {
  dataset
    .command('stats')
    .description('show the labels and their number of frames')
    .addOption(configFile())
    .addOption(json('the counts'))
    .addHelpText('after', '\nExample:\n  qc-agent dataset stats --config agent.yaml')
    .action((options: FileOptions) =>
      answer(options, (config) => datasetStatsCommand(config, workDeps(options.json))),
    );
}

/** Labels with their counts. */
export async function datasetStatsCommand(
  { storage, labels: { good } }: Pick<Config, 'storage' | 'labels'>,
  { onNotice }: { readonly onNotice: (text: string) => void },
): Promise<CommandAnswer> {
  const { frames, revision } = await readDataset(storage.directory, onNotice);
  const counts = new Map<string, number>();
  for (const { label } of frames) counts.set(label, (counts.get(label) ?? 0) + 1);
  const labels = [...counts].sort().map(([label, count]) => ({ label, count, good: good.includes(label) }));
  const { ids } = await indexAnnotations(storage.directory);
  const marked = frames.filter(({ id }) => ids.has(id)).length;
  const json = { frames: frames.length, revision, labels, marked };
  if (frames.length === 0) {
    return { text: 'no labelled frames yet: import some with qc-agent dataset import DIR', json };
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
