/** `qc-agent dataset …`: the labelled frames. */
import { type Command, Option } from 'commander';
import type { LabelChange } from '../../calibration/dataset/label-change.ts';
import { layoutNames } from '../../calibration/import/layouts.ts';
import { standBack } from '../../calibration/jobs/lower-priority.ts';
import type { Config } from '../../config/schema.ts';
import { answer, answerRecorded } from './answer.ts';
import { type DatasetCommandDeps, datasetExportCommand, datasetStatsCommand } from './dataset-commands.ts';
import { datasetImportCommand, type ImportRequest } from './dataset-import.ts';
import { datasetLabelCommand, datasetUndoCommand } from './dataset-labels.ts';
import { cameraBits, configFile, type FileOptions, json, mapping } from './options.ts';
import { exitWithFailure, isWatched, pid, showProgress, untilSignal, warn, whoami } from './shell.ts';

export function addDataset(program: Command): void {
  const dataset = program
    .command('dataset')
    .description('the labelled frames that heads are trained on: bring in, count, take out');
  dataset
    .command('import <path>')
    .description(
      'take in labelled images from a folder or .zip: one folder for each label, MVTec AD, COCO, YOLO, Pascal VOC, CVAT, Label Studio, labelme, CSV',
    )
    .addOption(configFile())
    .addOption(json('what was taken in and what was skipped'))
    .option('--dry-run', 'tell what would be taken in, and write nothing')
    .addOption(
      new Option('--layout <name>', 'read it as this layout, where it could be several').choices(layoutNames),
    )
    .addOption(
      new Option(
        '--label-from <folder>',
        'the folder that is the label: the one an image lies in (parent), or the outermost (top)',
      ).choices(['parent', 'top']),
    )
    .option('--label-column <name>', 'the column of a table that holds the label')
    .option('--label <name>', 'the label of every image')
    .option(
      '--map <written=label>',
      'a label as it is written, and what it becomes; may be repeated',
      mapping,
    )
    .option('--unannotated <label>', 'the label of images without any annotation, for example good')
    .option('--bits <number>', 'bits that the camera gives in images of 16 bits: 9 to 16', cameraBits)
    .option('--relabel', 'frames that are in the dataset already get the label from here')
    .option('--follow-links', 'read what symbolic links lead to')
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
  addLabelCommands(dataset);
}

interface LabelOptions extends FileOptions {
  readonly dryRun?: true;
  readonly yes?: true;
}

function addLabelCommands(dataset: Command): void {
  const changeOf = (name: string, description: string) =>
    dataset
      .command(name)
      .description(description)
      .addOption(configFile())
      .option('--dry-run', 'only say how many frames it is about, and what follows')
      .addOption(json('the counts'));
  const carryOut = (options: LabelOptions, change: LabelChange, dryRun = options.dryRun) =>
    answerRecorded(options, `label-${change.kind}`, { ...change, dryRun }, (config) =>
      datasetLabelCommand(config, change, { by: whoami(), dryRun }, { onNotice: warn }),
    );
  changeOf('rename <old> <new>', 'give a label another name')
    .addHelpText('after', '\nExample:\n  qc-agent dataset rename scrach scratch --config agent.yaml')
    .action((label: string, to: string, options: LabelOptions) =>
      carryOut(options, { kind: 'rename', label, to }),
    );
  changeOf('merge <label> <into>', 'give all frames of a label another label that is in use')
    .addHelpText(
      'after',
      '\nExample:\n  qc-agent dataset merge kratzer scratch --dry-run --config agent.yaml',
    )
    .action((label: string, to: string, options: LabelOptions) =>
      carryOut(options, { kind: 'merge', label, to }),
    );
  changeOf('delete <label>', 'take all frames of a label out of the dataset')
    .option('--yes', 'do it; without this it is a dry run that exits with 1')
    .addHelpText('after', '\nExample:\n  qc-agent dataset delete test --yes --config agent.yaml')
    .action(async (label: string, options: LabelOptions) => {
      await carryOut(options, { kind: 'delete', label }, options.yes ? options.dryRun : true);
      if (!options.yes && !options.dryRun) exitWithFailure();
    });
  dataset
    .command('undo')
    .description('undo your own last change that was made on the command line')
    .addOption(configFile())
    .addOption(json('what was undone'))
    .addHelpText('after', '\nExample:\n  qc-agent dataset undo --config agent.yaml')
    .action((options: FileOptions) =>
      answerRecorded(options, 'undo', {}, (config) =>
        datasetUndoCommand(config, whoami(), { onNotice: warn }),
      ),
    );
}

async function importFrom(config: Config, path: string, options: FileOptions & ImportRequest) {
  const { config: _, json: __, ...request } = options;
  const imported = await datasetImportCommand(config, path, request, depsOf(options));
  if (imported.isNothing) exitWithFailure();
  return imported;
}

async function doctor(options: FileOptions): Promise<void> {
  standBack(pid);
  const { datasetDoctorCommand } = await import('./calibration-commands.ts');
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
