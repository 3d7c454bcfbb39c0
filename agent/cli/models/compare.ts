/** `qc-agent models compare`: compares installed bases on the station's own parts. */
import type { Command } from 'commander';
import type { CompareDeps, CompareOptions } from '../../../calibration/compare/compare.ts';
import type { BaseFigures, Comparison } from '../../../calibration/compare/comparison.ts';
import { lowerPriority } from '../../../calibration/jobs/lower-priority.ts';
import { loadConfig } from '../../../config/load.ts';
import type { Config } from '../../../config/schema.ts';
import { requireReadable } from '../../../models/disk/layout.ts';
import { percent } from '../../../models/percent.ts';
import { type CommandAnswer, give } from '../answer.ts';
import { configFile, type FileOptions, json, positive } from '../options.ts';
import { recorded } from '../recorded.ts';
import { environment, pid, steps, unlessStopped, untilSignal } from '../shell.ts';

const examples = `
Compares the base in use, the embedded base and those that are named, or all installed ones: each is judged on the same frames,
in the same folds, by heads that had not seen them. Nothing that judges is changed. After Ctrl-C, the next run continues
where this one was. No int8 figures: make a variant first with qc-agent models quantize --base NAME.

Examples:
  qc-agent models compare --config agent.yaml
  qc-agent models compare --sizes --max-ms 60 --config agent.yaml
  qc-agent models compare resnet50 dino --frames 200 --json --config agent.yaml`;

interface Options extends FileOptions {
  readonly frames?: number;
  readonly sizes?: true;
  readonly maxMs?: number;
}

export function addCompare(models: Command): void {
  models
    .command('compare [names...]')
    .description(
      'compare installed bases on your own labels, and recommend one if it is significantly better',
    )
    .addOption(configFile())
    .option('--frames <n>', 'maximum number of frames, evenly over the labels; default: 600', positive)
    .option('--sizes', 'also compare the base in use at other input sizes, with the shape of your frames')
    .option('--max-ms <ms>', 'do not recommend a base that takes longer for a part', positive)
    .addOption(json('the figures'))
    .addHelpText('after', examples)
    .action(compare);
}

async function compare(names: string[], options: Options): Promise<void> {
  lowerPriority(pid);
  const signal = untilSignal();
  const config = loadConfig(options.config, environment);
  await requireReadable(config.storage.directory);
  const { frames, sizes, maxMs } = options;
  const deps = { signal, ...steps(options.json) };
  const work = () => modelsCompareCommand(config, { names, frames, sizes, maxMs }, deps);
  const done = recorded(config, 'compare-bases', { names: names.join(' ') }, work);
  give(await unlessStopped(signal, 'features are kept for the next comparison', done), options.json);
}

/** @throws as `compareBases` */
export async function modelsCompareCommand(
  config: Pick<Config, 'model' | 'labels' | 'thresholds' | 'storage' | 'training'>,
  options: CompareOptions,
  deps: CompareDeps,
): Promise<CommandAnswer> {
  // TensorFlow.js takes a third of a second to load: only where it is used.
  const { compareBases } = await import('../../../calibration/compare/compare.ts');
  const comparison = await compareBases(config, options, deps);
  return { text: textOf(comparison).join('\n'), json: comparison };
}

function textOf(comparison: Comparison): string[] {
  const { frames, counts, folds, bases, failed, sentence, details, recommended, seconds } = comparison;
  const width = Math.max(4, ...bases.map(({ name }) => name.length + 2));
  const header =
    '  right      95 % interval  escapes  uncertain  good only  statistics    float  ratio     int8     MB';
  return [
    `${frames} frames (${Object.entries(counts)
      .map(([label, count]) => `${label} ${count}`)
      .join(', ')}), ${folds} folds; ${seconds} s`,
    '',
    `${'base'.padEnd(width)}  ${header}  licence`,
    ...bases.map((one) => row(one, width)),
    '',
    '* in use. right: correctly judged parts that were not in the training. escapes: bad parts that pass. good only: AUROC of',
    'training on good parts only. statistics: points above plain image statistics. float, int8: ms per part; ratio: to the',
    'base in use. MB: memory that a process needs to load the base.',
    '',
    ...details,
    ...failed.map(({ name, reason }) => `${name} could not be compared: ${reason}`),
    '',
    sentence,
    ...(recommended === null ? [] : [`To switch: qc-agent models switch ${recommended}`]),
  ];
}

function row(one: BaseFigures, width: number): string {
  const { accuracy, escapes, uncertain, goodOnly, toStatistics, speed, memory } = one;
  const { points } = toStatistics;
  const cells = [
    percent(accuracy.value).padStart(7),
    `${percent(accuracy.low)} to ${percent(accuracy.high)}`.padStart(17),
    (escapes ? `${escapes.wrong}/${escapes.of}` : '–').padStart(7),
    percent(uncertain.rate).padStart(9),
    (goodOnly ? goodOnly.auroc.toFixed(3) : '–').padStart(9),
    `${points >= 0 ? '+' : '−'}${Math.abs(points).toFixed(1)}`.padStart(10),
    speed.float.ms.toFixed(1).padStart(7),
    speed.float.ratio.toFixed(2).padStart(5),
    (speed.int8 ? speed.int8.ms.toFixed(1) : '–').padStart(7),
    (memory ? String(memory.int8 ?? memory.float) : '–').padStart(5),
    one.licence,
  ];
  return `${`${one.inUse ? '*' : ' '} ${one.name}`.padEnd(width)}  ${cells.join('  ')}`;
}
