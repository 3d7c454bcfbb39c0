/** `qc-agent calibrate`: controls calibration of a running agent over HTTP. */
import { readFile } from 'node:fs/promises';
import { Argument, type Command } from 'commander';
import { overview } from '../../calibration/views.ts';
import { check } from '../../config/check.ts';
import { isErrorCode, QcError } from '../../config/errors.ts';
import type { HttpConfig } from '../../config/schema.ts';
import { askAgent } from '../http/ask-agent.ts';
import { errorBody } from '../http/errors.ts';
import { answer, type CommandAnswer } from './answer.ts';
import { configFile, type FileOptions, json } from './options.ts';

export function addCalibrate(program: Command): void {
  program
    .command('calibrate')
    .description('switch a running agent to calibration mode and back, or show the calibration status')
    .addArgument(new Argument('[mode]', 'default: show the status').choices(['on', 'off']))
    .addOption(configFile())
    .option('--url <url>', 'address of the agent; default: http.host and http.port of the config')
    .option('--token-file <file>', 'file that contains the access token, if the agent requires one')
    .addOption(json('the answer'))
    .addHelpText(
      'after',
      '\nExamples:\n  qc-agent calibrate on --config agent.yaml\n  qc-agent calibrate --config agent.yaml --json\n  qc-agent calibrate off --config agent.yaml',
    )
    .action((mode: 'on' | 'off' | undefined, options: FileOptions & { url?: string; tokenFile?: string }) =>
      answer(options, (config) => calibrateCommand(config.http, mode, options)),
    );
}

interface CalibrateOptions {
  /** Default: the address in the configuration. */
  readonly url?: string | undefined;
  readonly tokenFile?: string | undefined;
}

const timeoutMs = 10_000;

/** @throws QcError agent-unreachable, and errors of the agent */
async function calibrateCommand(
  { host, port, cert }: HttpConfig,
  mode: 'on' | 'off' | undefined,
  { url: given, tokenFile }: CalibrateOptions,
): Promise<CommandAnswer> {
  const url = given ?? `${cert ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`;
  // The agent with this configuration presents the configured certificate.
  const certificate = given === undefined && cert !== undefined ? await readFile(cert) : undefined;
  const token = tokenFile === undefined ? undefined : (await readFile(tokenFile, 'utf8')).trim();
  const ask = async (path: string, body?: object): Promise<unknown> => {
    const address = new URL(`/api/v1/${path}`, url);
    const answered = await askAgent(address, {
      ...(body && { method: 'POST' as const, body: JSON.stringify(body) }),
      headers: {
        ...(body && { 'content-type': 'application/json' }),
        ...(token && { authorization: `Bearer ${token}` }),
      },
      signal: AbortSignal.timeout(timeoutMs),
      certificate,
    }).catch((cause: Error) => {
      throw new QcError('agent-unreachable', `no agent answers at ${address.origin}: ${cause.message}`, {
        cause,
      });
    });
    const answer = parseJson(answered.body);
    if (answered.status === 200) return answer;
    const failed = check(errorBody, answer);
    if (!failed.success) throw new QcError('agent-unreachable', `${address.origin} is not a qc-agent`);
    const { code, message, remedy } = failed.data.error;
    // An agent of another version may have other codes.
    throw new QcError(isErrorCode(code) ? code : 'internal', message, { remedy });
  };
  if (mode !== undefined) await ask('mode', { mode: mode === 'on' ? 'calibration' : 'inspection' });
  const overviewed = check(overview, await ask('calibration'));
  if (!overviewed.success) {
    throw new QcError('agent-unreachable', `${url} is a qc-agent of another version`);
  }
  const now = overviewed.data;
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

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
