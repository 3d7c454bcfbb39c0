/** `qc-agent challenge`: the challenge test of a running agent, over HTTP. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Argument, type Command } from 'commander';
import type { HttpConfig } from '../../config/schema.ts';
import { type ChallengeView, challengeView, replyMessage } from '../publish/messages.ts';
import { answer, type CommandAnswer } from './answer.ts';
import { configFile, type FileOptions, json } from './options.ts';
import { type AgentOptions, addAgentOptions, type RunningAgent, runningAgent } from './running-agent.ts';
import { exitWithFailure, note } from './shell.ts';

interface ChallengeOptions extends AgentOptions {
  readonly camera?: string;
  readonly wait?: boolean;
}

export function addChallenge(program: Command): void {
  const command = program
    .command('challenge')
    .description('test a running agent with parts known to be good and bad, or show the last test')
    .addArgument(
      new Argument(
        '[action]',
        'start; placed: the expected part is in place (cameras with trigger: continuous); cancel; default: show the state',
      ).choices(['start', 'placed', 'cancel']),
    )
    .addOption(configFile())
    .option('--camera <name>', 'with start: test this camera only')
    .option('--wait', 'name each expected part and wait until the test has ended; exit 1 if it failed');
  addAgentOptions(command)
    .addOption(json('the state of the test'))
    .addHelpText(
      'after',
      '\nExit code 1 if the last test failed or a test is overdue.\n\nExamples:\n  qc-agent challenge start --wait --config agent.yaml\n  qc-agent challenge placed --config agent.yaml\n  qc-agent challenge --config agent.yaml --json',
    )
    .action((action: 'start' | 'placed' | 'cancel' | undefined, options: FileOptions & ChallengeOptions) =>
      answer(options, (config) => challengeCommand(config.http, action, options)),
    );
}

/** @throws QcError agent-unreachable, challenge-running, challenge-idle, and other errors of the agent */
async function challengeCommand(
  http: HttpConfig,
  action: 'start' | 'placed' | 'cancel' | undefined,
  options: ChallengeOptions,
): Promise<CommandAnswer> {
  const { camera, wait } = options;
  const agent = await runningAgent(http, options);
  if (action !== undefined) await agent.ask(replyMessage, 'challenge', { action, ...(camera && { camera }) });
  const view = wait ? await untilEnded(agent) : await agent.ask(challengeView, 'challenge');
  if (view.state === 'failed' || view.state === 'overdue') exitWithFailure();
  return { text: textOf(view), json: view };
}

const everyMs = 300;

/** Names each expected part on standard error. */
async function untilEnded({ ask }: RunningAgent): Promise<ChallengeView> {
  let told = '';
  for (;;) {
    const view = await ask(challengeView, 'challenge');
    if (view.state !== 'running') return view;
    const text = textOf(view);
    if (text !== told) note(text);
    told = text;
    await sleep(everyMs);
  }
}

function textOf({ state, reason, deadline, passedAt, expected }: ChallengeView): string {
  const passed = passedAt === undefined ? 'it has never passed' : `it last passed at ${passedAt}`;
  if (expected) {
    const { step, steps, camera, recipe, part, waitsForPlaced, remark } = expected;
    const again = remark === '' ? '' : `the previous part was not counted: ${remark}\n`;
    const then = waitsForPlaced ? ', then run: qc-agent challenge placed' : '';
    return `${again}part ${step} of ${steps}: show a ${part} part to camera ${camera} (recipe ${recipe})${then}`;
  }
  switch (state) {
    case 'running':
      return 'the result of the test is being stored';
    case 'failed':
    case 'overdue':
      return reason;
    case 'due':
      return `a challenge test is due and must pass by ${deadline}; ${passed}`;
    case 'passed':
      return `the challenge test passed at ${passedAt}`;
    default:
      return `no challenge test is due; ${passed}`;
  }
}
