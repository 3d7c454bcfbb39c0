/** `qc-agent models quantize`: an 8-bit variant of the base, or one in half precision. */
import { type Command, Option } from 'commander';

import { lowerPriority } from '../../../calibration/jobs/lower-priority.ts';
import type { QuantizeDeps, QuantizeOptions } from '../../../calibration/quantize.ts';
import { loadConfig } from '../../../config/load.ts';
import type { Config } from '../../../config/schema.ts';
import { percent } from '../../../models/percent.ts';
import type { QuantizationReport } from '../../../models/quantize/report.ts';
import { withBaseInUse } from '../../../models/versions/pair.ts';
import { type CommandAnswer, give } from '../answer.ts';
import { configFile, type FileOptions, json, positive } from '../options.ts';
import { recorded } from '../recorded.ts';
import { environment, exitWithFailure, pid, steps, unlessStopped, untilSignal } from '../shell.ts';

export function addQuantize(models: Command): void {
  models
    .command('quantize')
    .description(
      'make an int8 variant of the base from your own frames, several times as fast on a CPU, or an fp16 variant for a GPU; a gate checks it',
    )
    .addOption(configFile())
    .option('--base <name>', 'base; default: model.base of the config')
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
    .option('--frames <n>', 'maximum number of images, evenly over the labels', positive, 128)
    .addOption(json('the results of the gate'))
    .addHelpText(
      'after',
      '\nWithout labelled frames it uses simulated parts. Exits with 1 if the gate refuses the variant; the float base is always kept.\n\nExamples:\n  qc-agent models quantize --config agent.yaml\n  qc-agent models quantize --config agent.yaml --method entropy --json\n  qc-agent models quantize --config agent.yaml --precision fp16',
    )
    .action(runQuantize);
}

interface Options extends FileOptions, QuantizeOptions {
  readonly base?: string;
  readonly precision: 'int8' | 'fp16';
}

async function runQuantize({ precision, ...options }: Options): Promise<void> {
  lowerPriority(pid);
  const make = precision === 'fp16' ? modelsHalveCommand : modelsQuantizeCommand;
  const { drawSamples, samplesPerRound } = await import('../../demo/samples.ts');
  const signal = untilSignal();
  const drawn = (count: number) => drawSamples({ perLabel: Math.ceil(count / samplesPerRound), seed: 1 });
  const config = loadConfig(options.config, environment);
  const { base } = await withBaseInUse(config.model, config.storage.directory);
  const wanted = { ...options, base: options.base ?? base };
  const work = () => make(config, wanted, { signal, drawn, ...steps(options.json) });
  const what = { base: wanted.base, precision };
  const made = recorded(config, 'quantize', what, work);
  const quantized = await unlessStopped(signal, 'nothing was changed', made);
  give(quantized, options.json);
  if (quantized.refused) exitWithFailure();
}

/** Output of `qc-agent models quantize`. `refused`: the gate refused the variant. @throws as `quantize` */
export async function modelsQuantizeCommand(
  { model, ...config }: Config,
  { base = model.base, ...options }: QuantizeOptions & { readonly base?: string | undefined },
  deps: QuantizeDeps,
): Promise<CommandAnswer & { readonly refused: boolean }> {
  const { quantize } = await import('../../../calibration/quantize.ts');
  const { report, file } = await quantize({ ...config, model: { ...model, base } }, options, deps);
  const end = report.passed
    ? [`written    ${file}`, 'model.precision auto uses it from the next start of the agent']
    : ['The float base is unchanged.'];
  return {
    text: [...describeQuantized(report), ...end].join('\n'),
    json: { ...report, file: file ?? null },
    refused: !report.passed,
  };
}

/** Makes the fp16 variant for a GPU. */
export async function modelsHalveCommand(
  { model, ...config }: Config,
  { base = model.base, ...options }: Pick<QuantizeOptions, 'frames'> & { readonly base?: string | undefined },
  deps: QuantizeDeps,
): Promise<CommandAnswer & { readonly refused: boolean }> {
  const { halve } = await import('../../../calibration/quantize.ts');
  const { halved, file } = await halve({ ...config, model: { ...model, base } }, options, deps);
  const { manifest, correlation, largest, images, refusal } = halved;
  const why =
    refusal ??
    `features correlate at least ${correlation.toFixed(5)} with the float ones, largest value ${largest.value.toPrecision(3)}`;
  return {
    text: [
      `base       ${manifest.name}, fp16: ${file ? 'passed' : 'REFUSED'}: ${why} over ${images} images`,
      ...(file
        ? [
            `written    ${file}`,
            'model.precision auto uses it on a GPU from the next start of the agent on; a CPU does not benefit from it',
          ]
        : ['The float base is unchanged.']),
    ].join('\n'),
    json: {
      base: manifest.name,
      passed: file !== undefined,
      why,
      correlation,
      largest,
      pictures: images,
      file: file ?? null,
    },
    refused: file === undefined,
  };
}

function describeQuantized({ base, passed, reason, quantization, methods, layers }: QuantizationReport) {
  const { method, frames, source, float, operators, heldOut, leastCorrelation } = quantization;
  const tried = Object.entries(methods).map(([name, value]) => `${name} ${value?.toFixed(4)}`);
  const weakest = layers.toSorted((a, b) => a.sqnr - b.sqnr).slice(0, 3);
  const both = ({ fp32, int8 }: { readonly fp32: number; readonly int8: number }) =>
    `${percent(int8)} (float: ${percent(fp32)})`;
  return [
    `base       ${base.name}, int8: ${passed ? 'passed' : 'REFUSED'}: ${reason}`,
    `ranges     ${method}, from ${frames} ${source}; features correlate: ${tried.join(', ')}; at least ${leastCorrelation.toFixed(4)}`,
    `operators  ${operators} in 8 bits${float.length > 0 ? `, in float: ${float.join(', ')}` : ''}`,
    ...(heldOut
      ? [
          `not seen   ${heldOut.frames} frames: right ${both(heldOut)}, unfamiliar ${both(heldOut.unfamiliar)}${heldOut.escapes ? `, bad parts that pass ${both(heldOut.escapes)}` : ''}`,
        ]
      : []),
    `weakest    ${weakest.map(({ tensor, sqnr }) => `${tensor} ${sqnr} dB`).join(', ')}`,
  ];
}
