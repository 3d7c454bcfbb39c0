/** `qc-agent calibrate`: controls calibration of a running agent over HTTP. */
import { Argument, type Command } from 'commander';
import { overview } from '../../calibration/views.ts';
import type { HttpConfig } from '../../config/schema.ts';
import { replyMessage } from '../publish/messages.ts';
import { answer, type CommandAnswer } from './answer.ts';
import { configFile, type FileOptions, json } from './options.ts';
import { type AgentOptions, addAgentOptions, runningAgent } from './running-agent.ts';

export function addCalibrate(program: Command): void {
  const command = program
    .command('calibrate')
    .description('switch a running agent to calibration mode and back, or show the calibration status')
    .addArgument(new Argument('[mode]', 'default: show the status').choices(['on', 'off']))
    .addOption(configFile());
  addAgentOptions(command)
    .addOption(json('the answer'))
    .addHelpText(
      'after',
      '\nExamples:\n  qc-agent calibrate on --config agent.yaml\n  qc-agent calibrate --config agent.yaml --json\n  qc-agent calibrate off --config agent.yaml',
    )
    .action((mode: 'on' | 'off' | undefined, options: FileOptions & AgentOptions) =>
      answer(options, (config) => calibrateCommand(config.http, mode, options)),
    );
}

/** @throws QcError agent-unreachable, and errors of the agent */
async function calibrateCommand(
  http: HttpConfig,
  mode: 'on' | 'off' | undefined,
  options: AgentOptions,
): Promise<CommandAnswer> {
  const { url, ask } = await runningAgent(http, options);
  if (mode !== undefined)
    await ask(replyMessage, 'mode', { mode: mode === 'on' ? 'calibration' : 'inspection' });
  const now = await ask(overview, 'calibration');
  const { calibrating, frames, labels, waiting, training, active, candidate } = now;
  const progress = training.total > 0 ? ` ${training.done} of ${training.total}` : '';
  const lines = [
    calibrating
      ? 'calibrating: results are marked as calibration; parts worth a label are collected'
      : 'inspecting',
    `${waiting} parts wait for a label, ${frames} frames are labelled: ${labels.map(({ name, count }) => `${name} ${count}`).join(', ')}`,
    `training ${training.state}${training.state === 'running' ? `: ${training.step}${progress}` : ''}`,
    `active ${active ?? 'none'}${candidate ? `; ${candidate} waits to be promoted` : ''}`,
    `label and train at ${new URL('/calibrate.html', url)}`,
  ];
  return { text: lines.join('\n'), json: now };
}
