/** `qc-agent models quantize`: an 8-bit variant of the base, or one in half precision. */
import { type Command, Option } from 'commander';

import { standBack } from '../../calibration/jobs/lower-priority.ts';
import type { QuantizeOptions } from '../../calibration/quantize.ts';
import { loadConfig } from '../../config/load.ts';
import { give, recorded } from './answer.ts';
import { configFile, type FileOptions, json, positive } from './options.ts';
import { environment, exitWithFailure, pid, steps, unlessStopped, untilSignal } from './shell.ts';

export function addQuantize(models: Command): void {
  models
    .command('quantize')
    .description(
      'make a variant of the base in 8 bits from your own frames, several times as fast on a CPU, or in half precision for a GPU; held to a gate',
    )
    .addOption(configFile())
    .option('--base <name>', 'which base; default: model.base of the config')
    .addOption(
      new Option('--precision <name>', 'int8 for a CPU, fp16 for a GPU')
        .choices(['int8', 'fp16'])
        .default('int8'),
    )
    .addOption(
      new Option('--method <name>', 'how ranges are chosen in int8; best tries all')
        .choices(['best', 'minmax', 'percentile', 'entropy'])
        .default('best'),
    )
    .option('--frames <n>', 'at most so many pictures, evenly over the labels', positive, 128)
    .addOption(json('what was found and why it passed or was refused'))
    .addHelpText(
      'after',
      '\nWithout labelled frames it takes drawn parts. Exit 1 where the gate refuses it; the float base always stays.\n\nExamples:\n  qc-agent models quantize --config agent.yaml\n  qc-agent models quantize --config agent.yaml --method entropy --json\n  qc-agent models quantize --config agent.yaml --precision fp16',
    )
    .action(quantize);
}

interface Options extends FileOptions, QuantizeOptions {
  readonly base?: string;
  readonly precision: 'int8' | 'fp16';
}

async function quantize({ precision, ...options }: Options): Promise<void> {
  standBack(pid);
  const { modelsHalveCommand, modelsQuantizeCommand } = await import('./calibration-commands.ts');
  const make = precision === 'fp16' ? modelsHalveCommand : modelsQuantizeCommand;
  const { drawSamples, samplesPerRound } = await import('../demo/samples.ts');
  const signal = untilSignal();
  const drawn = (count: number) => drawSamples({ perLabel: Math.ceil(count / samplesPerRound), seed: 1 });
  const config = loadConfig(options.config, environment);
  const work = () => make(config, options, { signal, drawn, ...steps(options.json) });
  const what = { base: options.base ?? config.model.base, precision };
  const made = recorded(config, 'quantize', what, work);
  const quantized = await unlessStopped(signal, 'nothing was changed', made);
  give(quantized, options.json);
  if (quantized.refused) exitWithFailure();
}
