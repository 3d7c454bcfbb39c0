/** `qc-agent setup`: the guide on the page. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';

import { QcError } from '../../config/errors.ts';
import { type GuideOptions, guideDefaults, guideUnlessStopped } from './guide.ts';
import { portNumber } from './options.ts';
import { runAgent } from './run.ts';
import { environment, print, untilSignal } from './shell.ts';

export function addSetup(program: Command): void {
  program
    .command('setup')
    .description('set up a new station in the browser, then run the inspection')
    .addOption(new Option('-c, --config <file>', 'the YAML file to write').default('agent.yaml'))
    .option(
      '--host <address>',
      'address of the page; any other than loopback needs a token, which is printed',
      guideDefaults.host,
    )
    .option('--port <n>', 'port of the page', portNumber, guideDefaults.port)
    .option('--no-run', 'end when the file is written')
    .addHelpText(
      'after',
      '\nExamples:\n  qc-agent setup\n  qc-agent setup --config /etc/qc-agent/agent.yaml --no-run',
    )
    .action(async (options: GuideOptions & { config: string; run: boolean }) => {
      const file = resolve(options.config);
      if (existsSync(file)) throw new QcError('setup-finished', `${file} exists already`);
      const signal = untilSignal();
      if (!(await guideUnlessStopped(file, options, signal))) return;
      if (options.run) await runAgent(file, environment, signal);
      else print(`${file} is written. Start the inspection: qc-agent run --config ${options.config}`);
    });
}
