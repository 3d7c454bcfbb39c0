/** `qc-agent train`: trains a candidate head on the dataset. */
import { type Command, Option } from 'commander';

import { lowerPriority } from '../../calibration/jobs/lower-priority.ts';
import type { Interval } from '../../calibration/train/interval.ts';
import type { Report } from '../../calibration/train/report.ts';
import type { TuneDeps, TuneOptions } from '../../calibration/tune.ts';
import { loadConfig } from '../../config/load.ts';
import type { Config, TrainingConfig } from '../../config/schema.ts';
import { requireReadable } from '../../models/disk/layout.ts';
import { percent } from '../../models/percent.ts';
import { type CommandAnswer, give } from './answer.ts';
import { modelsPromoteCommand } from './models/promote.ts';
import {
  augmentations,
  configFile,
  type FileOptions,
  json,
  positive,
  share,
  wholeNumber,
} from './options.ts';
import { recorded } from './recorded.ts';
import { environment, exitWithFailure, pid, steps, unlessStopped, untilSignal, whoami } from './shell.ts';

export function addTrain(program: Command): void {
  program
    .command('train')
    .description(
      'train a model version on the dataset and evaluate it on held-out parts; the active version is unchanged',
    )
    .addOption(configFile())
    .option('--promote', 'promote it if the gate accepts it; exit 1 if it does not')
    .option('--seed <n>', 'random seed; the same seed gives the same model version', positive, 1)
    .addOption(
      new Option(
        '--views <set>',
        'possible orientations of parts: mirrored (flips), or also rotated by 90° (turns); default: the best in the evaluation',
      ).choices(['none', 'flips', 'turns']),
    )
    .option(
      '--augment <names>',
      'additional augmentation: light, blur, crop, rotate, separated by commas',
      augmentations,
    )
    .option('--hidden <units>', 'number of units of a hidden layer; 0: a linear head', wholeNumber)
    .addOption(
      new Option(
        '--fine-tune <mode>',
        'also fine-tune the last block of the base; auto: use it only if it is significantly better on held-out parts',
      ).choices(['off', 'auto', 'on']),
    )
    .option('--escape-rate <share>', 'maximum share of bad parts that pass', share)
    .option('--false-reject-rate <share>', 'maximum share of good parts that fail', share)
    .option(
      '--false-alarm-rate <share>',
      'maximum share of good parts that are uncertain, if only good parts are labelled',
      share,
    )
    .addOption(json('the figures'))
    .addHelpText(
      'after',
      '\nExamples:\n  qc-agent train --config agent.yaml\n  qc-agent train --config agent.yaml --promote --escape-rate 0.02 --json',
    )
    .action(train);
}

type Options = FileOptions & Partial<TrainingConfig> & { readonly promote?: true; readonly seed: number };

async function train(options: Options): Promise<void> {
  lowerPriority(pid);
  const signal = untilSignal();
  const config = loadConfig(options.config, environment);
  await requireReadable(config.storage.directory);
  const { seed, promote = false, views, augment, hidden, fineTune } = options;
  const { escapeRate, falseRejectRate, falseAlarmRate } = options;
  const training = given({ views, augment, hidden, fineTune, escapeRate, falseRejectRate, falseAlarmRate });
  const work = () =>
    trainCommand(config, { promote, seed, training, by: whoami() }, { signal, ...steps(options.json) });
  const made = recorded(config, 'train', { promote }, work);
  const trained = await unlessStopped(signal, 'no model version was made', made);
  give(trained, options.json);
  if (trained.refused) exitWithFailure();
}

/** Only the given options; the rest is taken from the configuration. */
function given(options: Record<string, unknown>): Partial<TrainingConfig> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

interface TrainOptions extends TuneOptions {
  /** Promotes the candidate if the gate accepts it. */
  readonly promote: boolean;
}

/** `refused`: it should be promoted but the gate refused it. @throws errors of `tune` and of promoting */
export async function trainCommand(
  config: Config,
  { promote, ...options }: TrainOptions,
  deps: TuneDeps,
): Promise<CommandAnswer & { readonly refused: boolean }> {
  // TensorFlow.js takes 0.3 s to load, so it is only loaded when it is used.
  const { tune } = await import('../../calibration/tune.ts');
  const { version, report } = await tune(config, options, deps);
  const { gate } = report;
  const promoted = promote && gate.allowed ? await modelsPromoteCommand(config, version, options) : undefined;
  const lines = [
    ...(report.goodOnly ? describeGoodOnly(version, report, report.goodOnly) : describe(version, report)),
    '',
    `gate       ${gate.allowed ? 'may be promoted' : 'REFUSED'}: ${gate.reason}`,
    promoted?.text ??
      (gate.allowed
        ? `To use it: qc-agent models promote ${version}`
        : `The active version is unchanged. An engineer may override: qc-agent models promote ${version} --override REASON`),
  ];
  return {
    text: lines.join('\n'),
    json: { version, promoted: promoted !== undefined, ...report },
    refused: promote && !gate.allowed,
  };
}

function describe(version: string, report: Report): string[] {
  const { labels, perLabel, frames, folds, accuracy, macroF1, active, seconds } = report;
  const width = Math.max(5, ...labels.map(({ length }) => length));
  const against = active ? `; active version ${active.version}: ${percent(active.accuracy)}` : '';
  return [
    `candidate  ${version}: ${percent(accuracy)} correct on held-out parts (${frames} frames, ${folds} folds)${against}`,
    ...(report.adaptation ? describeAdaptation(report.adaptation) : []),
    `escapes    ${rate(report.escapes, 'bad parts pass')}`,
    `rejects    ${rate(report.falseRejects, 'good parts fail')}`,
    `uncertain  ${rate(report.uncertain, 'parts')}`,
    ...(report.mostProbable ? [withoutThresholds(report, report.mostProbable)] : []),
    `limits     pass ${report.thresholds.pass}, fail ${Object.entries(report.thresholds.failByLabel ?? {})
      .map(([label, value]) => `${label} ${value}`)
      .concat(report.thresholds.failByLabel ? [] : [String(report.thresholds.fail)])
      .join(', ')}`,
    ...(report.places ? [`places     ${report.places.sentence}`] : []),
    ...(report.goodParts ? [`good       ${report.goodParts.sentence}`] : []),
    ...report.promise.map(({ kept, text }) => `${kept ? '          ' : 'MISSING   '} ${text}`),
    ...report.checks.map(checkLine),
    ...(report.fineTuning
      ? [
          `fine-tuned ${report.fineTuning.sentence} (${report.fineTuning.seconds} s)`,
          ...report.fineTuning.checks.map(checkLine),
        ]
      : []),
    ...(report.learning ? [`labels     ${report.learning.sentence}`] : []),
    `took       ${seconds.features} s for features, ${seconds.training} s for training (${report.backend}, views: ${[report.views, ...report.augment].join(', ')}${report.hidden > 0 ? `, hidden layer of ${report.hidden}` : ''}); one image takes ${report.latencyMs ?? '?'} ms`,
    '',
    `${'label'.padEnd(width)}  count  precision  recall     F1`,
    ...perLabel.map(
      (row) =>
        `${row.label.padEnd(width)}  ${String(row.count).padStart(5)}  ${percent(row.precision).padStart(9)}  ${percent(row.recall).padStart(6)}  ${percent(row.f1).padStart(6)}`,
    ),
    `macro-F1 ${percent(macroF1)}`,
  ];
}

/** Why the confusion matrix may show mistakes that are no escapes and no false rejects. */
function withoutThresholds(
  { escapes, falseRejects, doubt }: Report,
  likely: NonNullable<Report['mostProbable']>,
): string {
  const limit =
    doubt === undefined
      ? ''
      : `; no probability is above ${(1 - doubt).toFixed(3)} with so few labelled parts`;
  return `           by the most probable label alone ${likely.escapes} of ${escapes.of} bad parts would pass and ${likely.falseRejects} of ${falseRejects.of} good parts would fail${limit}`;
}

const checkLine = ({ name, ok, sentence }: Report['checks'][number]) =>
  `${ok ? 'ok        ' : 'WARNING   '} ${name}: ${sentence}`;

function describeAdaptation({
  sentences,
  recent,
  before,
  after,
  unchanged,
}: NonNullable<Report['adaptation']>): string[] {
  const active = before === null ? '' : `, ${percent(before)} without adaptation`;
  return [
    ...sentences.map((sentence) => `change     ${sentence}`),
    `adapted    labelled parts as the ${recent} recent images look: ${percent(after)} correct${active}; as they were: ${percent(unchanged)}`,
  ];
}

function describeGoodOnly(
  version: string,
  { promise, seconds, latencyMs, frames }: Report,
  { parts, limit, heldBack, defects }: NonNullable<Report['goodOnly']>,
): string[] {
  return [
    `candidate  ${version}: trained on ${parts} good parts only; parts unlike them are uncertain, none fails`,
    `uncertain  ${rate(heldBack, 'held-out good parts')}; limit ${limit.toFixed(2)}`,
    ...defects.map(
      (one) =>
        `defects    ${one.label}: ${one.heldBack} of ${one.count} would be uncertain; at least 4 are needed to train this label`,
    ),
    ...promise.map(({ kept, text }) => `${kept ? '          ' : 'MISSING   '} ${text}`),
    `took       ${seconds.features} s for features, ${seconds.training} s for training (${frames} frames); one image takes ${latencyMs ?? '?'} ms`,
  ];
}

function rate({ wrong, of, rate: share, low, high }: Interval, what: string): string {
  if (of === 0) return `no such parts are labelled (${what})`;
  return `${wrong} of ${of} ${what}: ${percent(share)} (95 %: ${percent(low)} to ${percent(high)})`;
}
