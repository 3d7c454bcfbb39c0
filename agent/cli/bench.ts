/** `qc-agent bench`: how many cameras fit this machine. */
import { type Command, InvalidArgumentError, Option } from 'commander';

import { loadConfig } from '../../config/load.ts';
import { configSchema } from '../../config/schema.ts';
import { json, positive } from './options.ts';
import { environment, exitWithFailure, note, pid, print, unlessStopped, untilSignal } from './shell.ts';

const help = `
Measures the model alone, then the whole agent before more and more drawn cameras, until parts are lost or late. Works in a
temporary folder with a broker and cameras of its own: data, cameras and broker of --config are not used, only its model.
Exit 1 where not even one camera fits. Stop the agent first: both would share the machine.

Examples:
  qc-agent bench
  qc-agent bench --config agent.yaml --rate 2 --cameras 32
  qc-agent bench --int8 --seconds 20 --json > bench.json`;

export function addBench(program: Command): void {
  program
    .command('bench')
    .description('how many cameras at which rate fit this machine, and what limits it')
    .option('-c, --config <file>', 'whose model is measured; default: the embedded one')
    .option('--cameras <n>', 'try at most so many', numberUpTo(64), 16)
    .option('--rate <n>', 'parts a second of each camera', numberUpTo(30), 5)
    .option('--seconds <n>', 'length of each measurement, s', positive, 10)
    .option('--limit <ms>', 'longest p99 from capture to subscriber, ms', positive, 250)
    .addOption(
      new Option('--size <pixels>', 'of the pictures of the cameras')
        .argParser(size)
        .default(size('1280x720'), '1280x720'),
    )
    .option(
      '--int8',
      'also make an 8-bit variant from drawn parts where there is none, for this measurement only',
    )
    .addOption(json('the figures'))
    .addHelpText('after', help)
    .action(async (options) => {
      const signal = untilSignal();
      const user = options.config === undefined ? undefined : loadConfig(options.config, environment);
      const { runBench } = await import('../bench/bench.ts');
      const { textOf } = await import('../bench/report.ts');
      const { model, labels, thresholds } = configSchema.shape;
      const defaults = {
        model: model.parse(undefined),
        labels: labels.parse(undefined),
        thresholds: thresholds.parse(undefined),
      };
      const { cameras, rate, seconds, limit: limitMs, int8 = false } = options;
      const asked = { cameras, rate, seconds, limitMs, int8, ...options.size };
      const work = runBench(defaults, user, asked, { pid, signal, tell: note });
      const report = await unlessStopped(signal, 'nothing was kept', work);
      print(options.json ? JSON.stringify(report, null, 2) : textOf(report));
      if (report.fits === 0) exitWithFailure();
    });
}

const numberUpTo = (most: number) => (text: string) => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > most) {
    throw new InvalidArgumentError(`a whole number from 1 to ${most} is needed.`);
  }
  return value;
};

/** Video has an even number of rows and columns. */
function size(text: string): { width: number; height: number } {
  const [width = 0, height = 0] = (/^(\d+)x(\d+)$/.exec(text) ?? []).slice(1).map(Number);
  const right = (value: number) => value % 2 === 0 && value >= 160 && value <= 4_096;
  if (!right(width) || !right(height)) {
    throw new InvalidArgumentError('two even numbers from 160 to 4096 are needed, such as 1280x720.');
  }
  return { width, height };
}
