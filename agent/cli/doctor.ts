/** `qc-agent doctor`: whether everything that a line needs is there. */
import type { Command } from 'commander';

import { runDoctor } from '../doctor/doctor.ts';
import { configFile, type FileOptions, json } from './options.ts';
import { environment, exitWithFailure, exitWithin, print, untilSignal } from './shell.ts';

export function addDoctor(program: Command): void {
  program
    .command('doctor')
    .description('check config, clock, disk, port, model, broker and cameras; exit 1 if one fails')
    .addOption(configFile())
    .addOption(json('the findings'))
    .addHelpText('after', '\nExample:\n  qc-agent doctor --config agent.yaml')
    .action(async (options: FileOptions) => {
      const signal = untilSignal();
      const tell = options.json ? () => undefined : print;
      const findings = await runDoctor(options.config, environment, { signal, tell });
      if (options.json) print(JSON.stringify(findings, null, 2));
      exitWithin(5_000);
      if (signal.aborted || findings.some((finding) => !finding.ok)) exitWithFailure();
    });
}
