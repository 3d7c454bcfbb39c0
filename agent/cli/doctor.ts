/** `qc-agent doctor`: checks everything that a line needs. */
import type { Command } from 'commander';
import type { Environment } from '../../config/environment.ts';
import { runDoctor } from '../doctor/doctor.ts';
import type { Finding } from '../doctor/finding.ts';
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
      const findings = await doctorCommand(options.config, environment, { signal, tell });
      if (options.json) print(JSON.stringify(findings, null, 2));
      exitWithin(5_000);
      if (signal.aborted || findings.some((finding) => !finding.ok)) exitWithFailure();
    });
}

/** @param tell called with each finding as a line of text as soon as it is known, and with a summary at the end */
export async function doctorCommand(
  file: string,
  env: Environment,
  { signal, tell }: { readonly signal: AbortSignal; readonly tell: (line: string) => void },
): Promise<readonly Finding[]> {
  const onFinding = (finding: Finding) => tell(findingLine(finding));
  const { findings, isComplete } = await runDoctor(file, env, { signal, onFinding });
  tell(signal.aborted ? '\nstopped' : summary(findings, isComplete));
  return findings;
}

const marks = { ok: 'ok   ', warn: 'warn ', fail: 'FAIL ' } as const;

/** `FAIL  broker: … — what to do` */
function findingLine({ check, level, detail, remedy }: Finding): string {
  return `${marks[level]} ${check}: ${detail}${remedy === undefined ? '' : ` — ${remedy}`}`;
}

function summary(findings: readonly Finding[], wasAll: boolean): string {
  const count = (level: Finding['level']) => findings.filter((finding) => finding.level === level).length;
  const [failed, warned] = [count('fail'), count('warn')];
  const plural = (n: number, what: string) => `${n} ${what}${n === 1 ? '' : 's'}`;
  if (!wasAll)
    return `
${plural(failed, 'problem')}; the rest can be checked once the configuration is valid`;
  if (failed > 0) return `\n${plural(failed, 'problem')}, ${plural(warned, 'warning')}`;
  return warned > 0 ? `\nready to run, ${plural(warned, 'warning')}` : '\nready to run';
}
