/**
 * The settings of a running agent: shows the configuration file without its secrets and changes it. The file stays the
 * source of truth: a change is validated as at the start, written, and then applied as far as that needs no restart.
 */
import { dirname, join } from 'node:path';
import { readText } from '../../config/document.ts';
import { type Change, editText } from '../../config/edit.ts';
import type { Environment } from '../../config/environment.ts';
import { QcError } from '../../config/errors.ts';
import { changedLeaves } from '../../config/leaves.ts';
import { type LoadedText, loadText } from '../../config/load.ts';
import { ConfigError } from '../../config/problems.ts';
import type { Config } from '../../config/schema.ts';
import { hashOf, secretFile, writeConfigFile, writeSecrets } from './file.ts';
import type { LiveConfig } from './live-config.ts';
import type { SettingsAnswer, SettingsRequest, SettingsView } from './messages.ts';
import { refusalOf } from './refusal.ts';
import { secretVariable, shownValue, withoutSecrets } from './secret-values.ts';

export interface SettingsDeps {
  readonly file: string;
  readonly env: Environment;
  readonly live: LiveConfig;
  /** Opens the agent again with the configuration of the file. */
  readonly restart: () => void;
}

export interface Settings {
  view(): SettingsView;
  /** What a change would do. @throws QcError as `change`, except config-not-writable */
  check(request: SettingsRequest): SettingsAnswer;
  /**
   * Changes the file and applies what can be applied.
   * @throws QcError config-invalid, config-changed, config-from-environment, config-not-editable, config-not-writable, and those of the parts that take new values
   */
  change(request: SettingsRequest): Promise<SettingsAnswer>;
  /** @throws ConfigError if the file is not valid: the agent could not be opened again */
  requireValid(): void;
  /** Opens the agent again with the configuration of the file. */
  readonly restart: () => void;
}

export function createSettings({ file, env, live, restart }: SettingsDeps): Settings {
  let last: Promise<unknown> = Promise.resolve();

  const read = () => readText(file);
  const load = (text: string, secrets: SettingsRequest['secrets'] = [], warn?: (text: string) => void) =>
    // The files of new secrets do not exist yet.
    loadText({ file, text }, { ...env, ...Object.fromEntries(secrets.map(secretVariable)) }, warn);
  const pendingOf = (config: Config) =>
    live.changesTo(config).flatMap(({ leaf, isLive }) => (isLive ? [] : shownKeys(leaf.path)));

  /** The text with the changes, and the same changes with the files of new secrets. */
  function edited(request: SettingsRequest): { readonly before: string; readonly text: string } {
    const before = read();
    if (hashOf(before) !== request.hash) {
      throw new QcError('config-changed', `${file} has changed since the settings were read`);
    }
    const changes = request.changes.map(({ path, value }): Change => ({ path, value: value ?? null }));
    const named = request.secrets.map(({ path }): Change => ({ path, value: secretFileOf(path, before) }));
    const all = [...changes, ...named];
    refuseOverridden(all, load(before).variables);
    return { before, text: editText(before, all) };
  }

  /** The file of a secret: the one that the configuration names, or a new one. */
  function secretFileOf(path: readonly string[], text: string): string {
    const own = secretFile(path);
    const written = valueAt(load(text).written, path);
    return typeof written === 'string' && /^(\.\/)?secrets\/[\w-]+$/.test(written) ? written : own;
  }

  function answer(request: SettingsRequest, before: string, text: string): SettingsAnswer {
    const warnings: string[] = [];
    const base = { hash: hashOf(before), copy: null, pending: pendingOf(load(before).config) };
    try {
      const next = load(text, request.secrets, (warning) => warnings.push(warning));
      const isLive = new Map(
        live.changesTo(next.config).map(({ leaf, isLive }) => [leaf.path.join('.'), isLive]),
      );
      const changes = changedLeaves(load(before).written, next.written)
        .filter(({ path }) => !isSecret(path))
        .map(({ path, before: was, after }) => ({
          key: path.join('.'),
          before: shownValue(was),
          after: shownValue(after),
          // A value that is in use already needs nothing.
          applies: isLive.get(path.join('.')) === false ? ('restart' as const) : ('now' as const),
        }));
      return { ...base, ok: true, changes, problems: [], warnings };
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      const problems = error.problems.map(({ key, what, remedy }) => ({ key, what, remedy }));
      return { ...base, ok: false, changes: [], problems, warnings };
    }
  }

  async function changeNow(request: SettingsRequest): Promise<SettingsAnswer> {
    const { before, text } = edited(request);
    const found = answer(request, before, text);
    if (!found.ok) {
      throw refusalOf(found.problems);
    }
    const secrets = request.secrets.map(({ path, value }) => ({
      file: join(dirname(file), secretFileOf(path, before)),
      value,
    }));
    // The new text names the files of the secrets, so they are written first.
    const restoreSecrets = await writeSecrets(secrets);
    try {
      const { config } = load(text);
      const copy = await take(config, before, text);
      return { ...found, hash: hashOf(text), copy, pending: pendingOf(config) };
    } catch (error) {
      await restoreSecrets();
      throw error;
    }
  }

  /** Writes the file and applies it; both or none. @returns name of the copy of the previous file */
  async function take(config: Config, before: string, text: string): Promise<string | null> {
    // An editor may have written the file meanwhile.
    if (read() !== before) throw new QcError('config-changed', `${file} has changed meanwhile`);
    const copy = text === before ? null : await writeConfigFile(file, text);
    try {
      await live.take(config);
    } catch (error) {
      if (text !== before) await writeConfigFile(file, before);
      throw error;
    }
    return copy;
  }

  return {
    view() {
      const text = read();
      const base = { file, hash: hashOf(text), live: live.keys };
      try {
        const { config, written, variables } = load(text);
        return {
          ...base,
          values: withoutSecrets(written),
          environment: Object.fromEntries(variables),
          pending: pendingOf(config),
          fault: '',
        };
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        return { ...base, values: {}, environment: {}, pending: [], fault: error.line };
      }
    },
    check(request) {
      const { before, text } = edited(request);
      return answer(request, before, text);
    },
    change(request) {
      const changed = last.then(() => changeNow(request));
      last = changed.catch(() => undefined);
      return changed;
    },
    requireValid: () => void load(read()),
    restart,
  };
}

/** A variable at, above or below a changed key takes precedence over the file. */
function refuseOverridden(changes: readonly Change[], variables: LoadedText['variables']): void {
  for (const { path } of changes) {
    const key = path.join('.');
    for (const [decided, variable] of variables) {
      if (decided !== key && !decided.startsWith(`${key}.`) && !key.startsWith(`${decided}.`)) continue;
      const what = `${decided} is set by the variable ${variable} of the environment`;
      throw new QcError('config-from-environment', what);
    }
  }
}

const isSecret = (path: readonly string[]) => /^(password|token)$/.test(path.at(-1) ?? '');
const shownKeys = (path: readonly string[]) => (isSecret(path) ? [] : [path.join('.')]);

function valueAt(root: unknown, path: readonly string[]): unknown {
  let value = root;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<string, unknown>)[key];
  }
  return value;
}
