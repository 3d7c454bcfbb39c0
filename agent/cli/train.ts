/** `qc-agent train`: the dataset into a candidate head. */
import { type Command, Option } from 'commander';

import { standBack } from '../../calibration/jobs/lower-priority.ts';
import { loadConfig } from '../../config/load.ts';
import type { TrainingConfig } from '../../config/schema.ts';
import { requireReadable } from '../../models/disk/layout.ts';
import { give, recorded } from './answer.ts';
import {
  augmentations,
  configFile,
  type FileOptions,
  json,
  positive,
  share,
  wholeNumber,
} from './options.ts';
import { environment, exitWithFailure, pid, steps, unlessStopped, untilSignal, whoami } from './shell.ts';

export function addTrain(program: Command): void {
  program
    .command('train')
    .description('train a head on the dataset and judge it on parts it had not seen; the active head stays')
    .addOption(configFile())
    .option('--promote', 'make it the active head if the gate lets it; exit 1 where it does not')
    .option('--seed <n>', 'the same seed, the same head', positive, 1)
    .addOption(
      new Option(
        '--views <set>',
        'how parts may lie: mirrored, or also turned by quarters; default: what proves best',
      ).choices(['none', 'flips', 'turns']),
    )
    .option(
      '--augment <names>',
      'what else may change: light, blur, crop, rotate, with commas between',
      augmentations,
    )
    .option('--hidden <units>', 'a hidden layer of so many units; 0: a linear head', wholeNumber)
    .option('--escape-rate <share>', 'bad parts that may pass, as a share', share)
    .option('--false-reject-rate <share>', 'good parts that may fail, as a share', share)
    .addOption(json('the figures'))
    .addHelpText(
      'after',
      '\nExamples:\n  qc-agent train --config agent.yaml\n  qc-agent train --config agent.yaml --promote --escape-rate 0.02 --json',
    )
    .action(train);
}

type Options = FileOptions & Partial<TrainingConfig> & { readonly promote?: true; readonly seed: number };

async function train(options: Options): Promise<void> {
  standBack(pid);
  // TensorFlow.js takes a third of a second to load: only where it is used.
  const { trainCommand } = await import('./calibration-commands.ts');
  const signal = untilSignal();
  const config = loadConfig(options.config, environment);
  await requireReadable(config.storage.directory);
  const { seed, promote = false, views, augment, hidden, escapeRate, falseRejectRate } = options;
  const training = given({ views, augment, hidden, escapeRate, falseRejectRate });
  const work = () =>
    trainCommand(config, { promote, seed, training, by: whoami() }, { signal, ...steps(options.json) });
  const made = recorded(config, 'train', { promote }, work);
  const trained = await unlessStopped(signal, 'no candidate was made', made);
  give(trained, options.json);
  if (trained.refused) exitWithFailure();
}

/** Without what was not given: the config decides there. */
function given(options: Record<string, unknown>): Partial<TrainingConfig> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
