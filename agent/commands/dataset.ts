/** `qc-agent dataset …`: the labelled frames. */
import type { Command } from 'commander';

import {
  type DatasetCommandDeps,
  datasetExportCommand,
  datasetImportCommand,
  datasetStatsCommand,
} from '../../calibration/dataset/commands.ts';
import { standBack } from '../../calibration/jobs/stand-back.ts';
import { answer, answerRecorded } from './answer.ts';
import { configFile, type FileOptions, json } from './options.ts';
import { exitWithFailure, isWatched, pid, showProgress, untilSignal, warn } from './shell.ts';

export function addDataset(program: Command): void {
  const dataset = program
    .command('dataset')
    .description('the labelled frames that heads are trained on: bring in, count, take out');
  dataset
    .command('import <path>')
    .description('take in a folder or .zip with one folder of pictures (png, jpg, bmp, webp) for each label')
    .addOption(configFile())
    .addOption(json('what was taken in and what was skipped'))
    .addHelpText('after', '\nExample:\n  qc-agent dataset import ./pictures --config agent.yaml')
    .action((path: string, options: FileOptions) =>
      answerRecorded(options, 'import', { path }, (config) =>
        datasetImportCommand(config, path, depsOf(options)),
      ),
    );
  dataset
    .command('stats')
    .description('labels and how many frames each has')
    .addOption(configFile())
    .addOption(json('the counts'))
    .addHelpText('after', '\nExample:\n  qc-agent dataset stats --config agent.yaml')
    .action((options: FileOptions) =>
      answer(options, (config) => datasetStatsCommand(config, depsOf(options))),
    );
  dataset
    .command('doctor')
    .description(
      'what is wrong with the labelled frames, and what to do; exit 1 where training is impossible',
    )
    .addOption(configFile())
    .addOption(json('the findings'))
    .addHelpText('after', '\nExample:\n  qc-agent dataset doctor --config agent.yaml')
    .action(doctor);
  dataset
    .command('export <target>')
    .description('write all of it to a new folder or .zip that other tools, and import, can read')
    .addOption(configFile())
    .addOption(json('what was written'))
    .addHelpText('after', '\nExample:\n  qc-agent dataset export press-3.zip --config agent.yaml')
    .action((target: string, options: FileOptions) =>
      answer(options, (config) => datasetExportCommand(config, target, depsOf(options))),
    );
}

async function doctor(options: FileOptions): Promise<void> {
  standBack(pid);
  const { datasetDoctorCommand } = await import('../../calibration/commands.ts');
  const deps = { onProgress: () => undefined, ...depsOf(options) };
  await answer(options, async (config) => {
    const examined = await datasetDoctorCommand(config, deps);
    if (examined.impossible) exitWithFailure();
    return examined;
  });
}

function depsOf({ json }: FileOptions): DatasetCommandDeps {
  return {
    onNotice: warn,
    signal: untilSignal(),
    ...(!json && isWatched && { onProgress: showProgress }),
  };
}
