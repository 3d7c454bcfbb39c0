/** `qc-agent dataset doctor` */
import type { Command } from 'commander';
import type { DoctorDeps } from '../../../calibration/doctor.ts';
import { lowerPriority } from '../../../calibration/jobs/lower-priority.ts';
import type { Config } from '../../../config/schema.ts';
import { withBaseInUse } from '../../../models/versions/pair.ts';
import { answer, type CommandAnswer } from '../answer.ts';
import { configFile, type FileOptions, json } from '../options.ts';
import { exitWithFailure, pid, workDeps } from '../shell.ts';

export function addDoctor(dataset: Command): void {
  dataset
    .command('doctor')
    .description('check the labelled frames and suggest remedies; exit 1 if training is impossible')
    .addOption(configFile())
    .addOption(json('the findings'))
    .addHelpText('after', '\nExample:\n  qc-agent dataset doctor --config agent.yaml')
    .action(doctor);
}

async function doctor(options: FileOptions): Promise<void> {
  lowerPriority(pid);
  const deps = { onProgress: () => undefined, ...workDeps(options.json) };
  await answer(options, async (config) => {
    const examined = await datasetDoctorCommand(config, deps);
    if (examined.impossible) exitWithFailure();
    return examined;
  });
}

/** Output of `qc-agent dataset doctor`. `impossible`: training is not possible. @throws errors of `examine` */
async function datasetDoctorCommand(
  config: Config,
  deps: DoctorDeps,
): Promise<CommandAnswer & { readonly impossible: boolean }> {
  const { examine } = await import('../../../calibration/doctor.ts');
  const model = await withBaseInUse(config.model, config.storage.directory);
  const findings = await examine({ ...config, model }, deps);
  const lines = findings.map(({ severity, text, remedy, frames }) => {
    const named =
      frames.length > 0 && frames.length <= 2 ? ` [${frames.map((id) => id.slice(0, 12)).join(', ')}]` : '';
    return `${severity.padEnd(7)}  ${text}${named}: ${remedy}`;
  });
  return {
    text: lines.length > 0 ? lines.join('\n') : 'no problems found in the labelled frames',
    json: findings,
    impossible: findings.some(({ severity }) => severity === 'error'),
  };
}
