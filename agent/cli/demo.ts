/** `qc-agent demo`: a simulated line, to try the agent. */
import type { Command } from 'commander';

import { version } from '../../config/package.ts';
import { collectPixelsEarly } from '../camera/pixel-gc.ts';
import { type DemoPlaces, runDemo } from '../demo/demo.ts';
import type { DemoSummary, ScoredResult } from '../demo/score.ts';
import { json, positive } from './options.ts';
import { exitWithFailure, isWatched, note, print, untilSignal } from './shell.ts';

export function addDemo(program: Command): void {
  program
    .command('demo')
    .description('run a simulated production line on this machine: camera, broker, agent and page')
    .option('--seconds <n>', 'stop after this number of seconds and print a summary', positive)
    .option('--parts-per-minute <n>', 'speed of the line', positive, 50)
    .option('--seed <n>', 'seed of the simulated parts', positive, 1)
    .option('--directory <dir>', 'folder for the model versions and the config of the demo', 'data/demo')
    .addOption(json('the summary'))
    .addHelpText('after', '\nExamples:\n  qc-agent demo\n  qc-agent demo --seconds 60 --json')
    .action(async (options) => {
      const tell = options.json ? note : print;
      collectPixelsEarly();
      const summary = await runDemo({
        ...options,
        version,
        terminal: isWatched,
        signal: untilSignal(),
        onStep: tell,
        onReady: (places) => tell(whereToLook(places)),
        onResult: (scored) => tell(verdictLine(scored)),
        onEnd: (done) => tell(summaryText(done)),
      });
      if (options.json) print(JSON.stringify(summary));
      if (summary.judged === 0) exitWithFailure();
    });
}

function whereToLook({ page, broker, topic, camera, configFile }: DemoPlaces): string {
  return [
    '',
    `  page      ${page}/`,
    `  metrics   ${page}/metrics   health ${page}/healthz ${page}/readyz`,
    `  topics    ${broker} ${topic}/#`,
    `  camera    ${camera}`,
    `  config    ${configFile}`,
    '',
    'Every part gets one verdict, shown with its true label. Press Ctrl-C to stop.',
    '',
  ].join('\n');
}

function verdictLine({ result, truth, isRight }: ScoredResult): string {
  const { verdict, label, probability, votes, timingsMs, sequence } = result;
  const sure = probability === null ? '' : probability.toFixed(2);
  const reasons = verdict === 'uncertain' ? `  ${result.reasons.join('; ')}` : '';
  return [
    String(sequence).padStart(4),
    verdict.toUpperCase().padEnd(9),
    (label ?? '-').padEnd(9),
    sure.padStart(4),
    `${votes.agree}/${votes.frames}`,
    `${Math.round(timingsMs.total)} ms`.padStart(7),
    ` truth: ${truth?.label ?? 'no part'}`.padEnd(17),
    isRight ? 'right' : 'WRONG',
    reasons,
  ].join(' ');
}

function summaryText(summary: DemoSummary): string {
  const { parts, judged, correct, accuracy, verdicts, missed, doubled, latencyMs } = summary;
  return [
    '',
    `${parts} parts went by, ${judged} judged (${missed} missed, ${doubled} twice)`,
    `${correct} right: ${(accuracy * 100).toFixed(1)} %   pass ${verdicts.pass}, fail ${verdicts.fail}, uncertain ${verdicts.uncertain}`,
    `capture to verdict: median ${latencyMs.p50} ms, p99 ${latencyMs.p99} ms`,
  ].join('\n');
}
