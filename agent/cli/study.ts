/** `qc-agent study …`: agreement studies (attribute gage R&R). */
import type { Command } from 'commander';
import { readDataset } from '../../calibration/dataset/dataset.ts';
import { createStudies, type Studies } from '../../calibration/study/studies.ts';
import { studyRequest } from '../../calibration/study/views.ts';
import { check } from '../../config/check.ts';
import { QcError } from '../../config/errors.ts';
import type { Config } from '../../config/schema.ts';
import { answer, answerRecorded } from './answer.ts';
import { configFile, type FileOptions, json, wholeNumber } from './options.ts';
import { warn, whoami } from './shell.ts';
import { reportText } from './study-report.ts';

export function addStudy(program: Command): void {
  const study = program
    .command('study')
    .description('how well people agree on labels: create a blind study, list studies, and report');
  study
    .command('create <name>')
    .description('create a study from labelled parts, balanced over the labels; people answer it on the page')
    .addOption(configFile())
    .requiredOption('--operators <names>', 'log-in names, joined by commas')
    .option('--parts <n>', 'number of parts, 2 to 200', wholeNumber, 30)
    .option('--trials <n>', 'how often each operator labels each part, 2 to 5', wholeNumber, 2)
    .addOption(json('the study'))
    .addHelpText(
      'after',
      '\nExample:\n  qc-agent study create "night shift" --operators anna,ben --parts 30 --trials 2 --config agent.yaml',
    )
    .action((name: string, options: FileOptions & { operators: string; parts: number; trials: number }) =>
      answerRecorded(options, 'study-create', { name, operators: options.operators }, async (config) => {
        const { parts, trials, operators } = options;
        const names = operators.split(',').map((one) => one.trim());
        const asked = check(studyRequest, { name, parts, trials, operators: names });
        if (!asked.success) {
          const what = asked.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
          throw new QcError('study-impossible', what.join('; '), { remedy: 'correct the options' });
        }
        const made = await studiesOf(config).create(asked.data, whoami());
        const text = `study ${made.id}: ${made.parts} parts, ${made.questions} questions for each of ${names.join(', ')}\nanswer them on the page, under Calibrate, Study`;
        return { text, json: made };
      }),
    );
  study
    .command('list')
    .description('show the studies and the progress of each operator')
    .addOption(configFile())
    .addOption(json('the studies'))
    .addHelpText('after', '\nExample:\n  qc-agent study list --config agent.yaml')
    .action((options: FileOptions) =>
      answer(options, async (config) => {
        const all = await studiesOf(config).list();
        const lines = all.map(({ id, name, parts, trials, operators, questions }) => {
          const progress = operators.map((one) => `${one.name} ${one.answered} of ${questions}`);
          return `${id}  ${name}: ${parts} parts, ${trials} trials; ${progress.join(', ')}`;
        });
        return { text: lines.length > 0 ? lines.join('\n') : 'there are no studies', json: all };
      }),
    );
  study
    .command('report [id]')
    .description('repeatability, reproducibility and kappa of a study; default: the newest')
    .addOption(configFile())
    .addOption(json('the report'))
    .addHelpText('after', '\nExample:\n  qc-agent study report 2026-11-30.1 --config agent.yaml')
    .action((id: string | undefined, options: FileOptions) =>
      answer(options, async (config) => {
        const studies = studiesOf(config);
        const wanted = id ?? (await studies.list())[0]?.id;
        if (wanted === undefined) {
          const remedy = 'create one with: qc-agent study create';
          throw new QcError('study-unknown', 'there are no studies', { remedy });
        }
        const report = await studies.report(wanted);
        return { text: reportText(report), json: report };
      }),
    );
}

function studiesOf({ storage, labels }: Pick<Config, 'storage' | 'labels'>): Studies {
  return createStudies(storage.directory, {
    good: () => labels.good,
    frames: async () => (await readDataset(storage.directory, warn)).frames,
  });
}
