/** `qc-agent demo`: a pretend line, for a first look. */
import type { Command } from 'commander';

import { version } from '../../config/package.ts';
import { runDemo } from '../demo/demo.ts';
import { json, positive } from './options.ts';
import { exitWithFailure, isWatched, note, print, untilSignal } from './shell.ts';

export function addDemo(program: Command): void {
  program
    .command('demo')
    .description('a whole pretend line on this machine: camera, broker, agent and page')
    .option('--seconds <n>', 'end by itself after so many seconds, with a summary', positive)
    .option('--parts-per-minute <n>', 'how fast the line runs', positive, 50)
    .option('--seed <n>', 'which parts are drawn', positive, 1)
    .option('--directory <dir>', 'where the demo keeps its head and its config', 'data/demo')
    .addOption(json('the summary'))
    .addHelpText('after', '\nExamples:\n  qc-agent demo\n  qc-agent demo --seconds 60 --json')
    .action(async (options) => {
      const summary = await runDemo({
        ...options,
        version,
        terminal: isWatched,
        print: options.json ? note : print,
        signal: untilSignal(),
      });
      if (options.json) print(JSON.stringify(summary));
      if (summary.judged === 0) exitWithFailure();
    });
}
