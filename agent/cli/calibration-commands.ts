/** What `qc-agent train` and `dataset doctor` say and do; the command line wires them. */

import { type DoctorDeps, examine } from '../../calibration/doctor.ts';
import { halve, type QuantizeDeps, type QuantizeOptions, quantize } from '../../calibration/quantize.ts';
import type { Interval } from '../../calibration/train/interval.ts';
import type { Report } from '../../calibration/train/report.ts';
import { type TuneDeps, type TuneOptions, tune } from '../../calibration/tune.ts';
import type { Config } from '../../config/schema.ts';
import type { QuantizationReport } from '../../models/quantize/report.ts';
import { type CommandAnswer, modelsPromoteCommand } from './models-commands.ts';

export interface TrainOptions extends TuneOptions {
  /** Makes the candidate the active one, if the gate lets it. */
  readonly promote: boolean;
}

/** `refused`: it was to be promoted and the gate did not let it. @throws what `tune` and promoting throw */
export async function trainCommand(
  config: Config,
  { promote, ...options }: TrainOptions,
  deps: TuneDeps,
): Promise<CommandAnswer & { readonly refused: boolean }> {
  const { version, report } = await tune(config, options, deps);
  const { gate } = report;
  const promoted = promote && gate.allowed ? await modelsPromoteCommand(config, version, options) : undefined;
  const lines = [
    ...describe(version, report),
    '',
    `gate       ${gate.allowed ? 'may be promoted' : 'REFUSED'}: ${gate.reason}`,
    promoted?.text ??
      (gate.allowed
        ? `To let it judge: qc-agent models promote ${version}`
        : `The active head stays. An engineer may override: qc-agent models promote ${version} --override REASON`),
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
  const against = active ? `; ${active.version}, which is active, gets ${percent(active.accuracy)}` : '';
  return [
    `candidate  ${version}: ${percent(accuracy)} right on parts it had not seen (${frames} frames, ${folds} folds)${against}`,
    `escapes    ${rate(report.escapes, 'bad parts pass')}`,
    `rejects    ${rate(report.falseRejects, 'good parts fail')}`,
    `uncertain  ${rate(report.uncertain, 'parts')}`,
    `limits     pass ${report.thresholds.pass}, fail ${Object.entries(report.thresholds.failByLabel ?? {})
      .map(([label, value]) => `${label} ${value}`)
      .concat(report.thresholds.failByLabel ? [] : [String(report.thresholds.fail)])
      .join(', ')}`,
    ...report.promise.map(({ kept, text }) => `${kept ? '          ' : 'MISSING   '} ${text}`),
    ...report.checks.map(
      ({ name, ok, sentence }) => `${ok ? 'ok        ' : 'WARNING   '} ${name}: ${sentence}`,
    ),
    `took       ${seconds.features} s for features, ${seconds.training} s for training (${report.backend}, views: ${[report.views, ...report.augment].join(', ')}${report.hidden > 0 ? `, hidden layer of ${report.hidden}` : ''}); one picture takes ${report.latencyMs ?? '?'} ms`,
    '',
    `${'label'.padEnd(width)}  count  precision  recall     F1`,
    ...perLabel.map(
      (row) =>
        `${row.label.padEnd(width)}  ${String(row.count).padStart(5)}  ${percent(row.precision).padStart(9)}  ${percent(row.recall).padStart(6)}  ${percent(row.f1).padStart(6)}`,
    ),
    `macro-F1 ${percent(macroF1)}`,
  ];
}

const percent = (share: number) => `${(share * 100).toFixed(1)} %`;

function rate({ wrong, of, rate: share, low, high }: Interval, what: string): string {
  if (of === 0) return `no such parts are labelled (${what})`;
  return `${wrong} of ${of} ${what}: ${percent(share)} (95 %: ${percent(low)} to ${percent(high)})`;
}

/** What `qc-agent dataset doctor` says. `impossible`: nothing can be trained as it is. @throws what `examine` throws */
export async function datasetDoctorCommand(
  config: Config,
  deps: DoctorDeps,
): Promise<CommandAnswer & { readonly impossible: boolean }> {
  const findings = await examine(config, deps);
  const lines = findings.map(({ severity, text, remedy, frames }) => {
    const named =
      frames.length > 0 && frames.length <= 2 ? ` [${frames.map((id) => id.slice(0, 12)).join(', ')}]` : '';
    return `${severity.padEnd(7)}  ${text}${named}: ${remedy}`;
  });
  return {
    text: lines.length > 0 ? lines.join('\n') : 'nothing is wrong with the labelled frames',
    json: findings,
    impossible: findings.some(({ severity }) => severity === 'error'),
  };
}

/** What `qc-agent models quantize` says. `refused`: the gate did not let it. @throws what `quantize` throws */
export async function modelsQuantizeCommand(
  { model, ...config }: Config,
  { base = model.base, ...options }: QuantizeOptions & { readonly base?: string | undefined },
  deps: QuantizeDeps,
): Promise<CommandAnswer & { readonly refused: boolean }> {
  const { report, file } = await quantize({ ...config, model: { ...model, base } }, options, deps);
  const end = report.passed
    ? [`written    ${file}`, 'model.precision auto uses it from the next start of the agent on']
    : ['The float base stays as it is.'];
  return {
    text: [...describeQuantized(report), ...end].join('\n'),
    json: { ...report, file: file ?? null },
    refused: !report.passed,
  };
}

/** The fp16 variant that a GPU takes. */
export async function modelsHalveCommand(
  { model, ...config }: Config,
  { base = model.base, ...options }: Pick<QuantizeOptions, 'frames'> & { readonly base?: string | undefined },
  deps: QuantizeDeps,
): Promise<CommandAnswer & { readonly refused: boolean }> {
  const { halved, file } = await halve({ ...config, model: { ...model, base } }, options, deps);
  const { manifest, correlation, largest, pictures, refusal } = halved;
  const why =
    refusal ??
    `features correlate at least ${correlation.toFixed(5)} with the float ones, no value beyond ${largest.value.toPrecision(3)}`;
  return {
    text: [
      `base       ${manifest.name}, fp16: ${file ? 'passed' : 'REFUSED'}: ${why}, over ${pictures} pictures`,
      ...(file
        ? [
            `written    ${file}`,
            'model.precision auto uses it on a GPU from the next start of the agent on; a CPU gains nothing from it',
          ]
        : ['The float base stays as it is.']),
    ].join('\n'),
    json: {
      base: manifest.name,
      passed: file !== undefined,
      why,
      correlation,
      largest,
      pictures,
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
