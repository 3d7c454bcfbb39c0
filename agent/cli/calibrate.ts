/** `qc-agent calibrate`: asks a running agent. */
import { Argument, type Command } from 'commander';
import { answer } from './answer.ts';
import { calibrateCommand } from './calibrate-command.ts';
import { configFile, type FileOptions, json } from './options.ts';

export function addCalibrate(program: Command): void {
  program
    .command('calibrate')
    .description('switch a running agent to calibration and back, or say how far calibration is')
    .addArgument(new Argument('[mode]', 'nothing: say how far it is').choices(['on', 'off']))
    .addOption(configFile())
    .option('--url <url>', 'where the agent is; default: http.host and http.port of the config')
    .option('--token-file <file>', 'file with the token, where the agent wants one')
    .addOption(json('the answer'))
    .addHelpText(
      'after',
      '\nExamples:\n  qc-agent calibrate on --config agent.yaml\n  qc-agent calibrate --config agent.yaml --json\n  qc-agent calibrate off --config agent.yaml',
    )
    .action((mode: 'on' | 'off' | undefined, options: FileOptions & { url?: string; tokenFile?: string }) =>
      answer(options, (config) => calibrateCommand(config.http, mode, options)),
    );
}
