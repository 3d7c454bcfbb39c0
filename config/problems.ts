import { errors, QcError } from './errors.ts';

/** One problem of the configuration: where, which key, what, and what to do about it. */
export interface Problem {
  /** `file:line:column`, `file`, or the environment variable. */
  readonly where: string;
  /** Dotted, as in `cameras.top.region.width`; empty for the whole file. */
  readonly key: string;
  readonly what: string;
  readonly remedy: string;
}

/** One line: `agent.yaml:4:11 cameras.top.url: … — …`. */
export function problemLine({ where, key, what, remedy }: Problem): string {
  return `${where}${key ? ` ${key}` : ''}: ${what} — ${remedy}`;
}

/** All problems of a configuration, one per line; never contains a secret. */
export class ConfigError extends QcError {
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super('config-invalid', problems.map(problemLine).join('\n'));
    this.name = 'ConfigError';
    this.problems = problems;
  }

  /** A missing base has the exit code of a missing model, not of a wrong setting: see the exit codes of `run`. */
  override get exitCode(): number {
    return this.problems.every(({ key, what }) => key === 'model.base' && what.startsWith('there is no file'))
      ? errors['model-missing'].exit
      : super.exitCode;
  }

  /** Each problem has its own remedy. */
  override get line(): string {
    return this.message;
  }
}
