/**
 * The settings during the first set-up: a draft in `<file>.setup`, which may be incomplete. A change is accepted if it adds
 * no problem. Finishing checks the whole draft and renames it to the configuration file.
 */
import { readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parse } from 'yaml';
import { type Change, editText } from '../../config/edit.ts';
import type { Environment } from '../../config/environment.ts';
import { QcError } from '../../config/errors.ts';
import { changedLeaves } from '../../config/leaves.ts';
import { loadText } from '../../config/load.ts';
import { ConfigError, type Problem } from '../../config/problems.ts';
import type { Config } from '../../config/schema.ts';
import { writeDurably } from '../../models/disk/durable.ts';
import { hashOf, secretFile, writeConfigFile, writeSecrets } from '../settings/file.ts';
import type { SettingsAnswer, SettingsRequest } from '../settings/messages.ts';
import { refusalOf } from '../settings/refusal.ts';
import { shownValue, withoutSecrets } from '../settings/secret-values.ts';
import type { Settings } from '../settings/settings.ts';

export interface Draft extends Settings {
  /** The configuration, with placeholders for what is missing. */
  readonly known: () => {
    readonly station: string;
    readonly cameras: Config['cameras'];
    readonly mqtt?: Config['mqtt'];
  };
  /**
   * Writes the configuration file, after the changes that were requested before; no other change is accepted then.
   * @throws QcError config-invalid if the draft is not complete
   */
  finish(): Promise<void>;
}

export interface DraftDeps {
  readonly file: string;
  readonly env: Environment;
  /** Used if there is no draft of an earlier set-up. */
  readonly template: string;
}

/** @throws QcError config-not-writable */
export async function openDraft({ file, env, template }: DraftDeps): Promise<Draft> {
  const draftFile = `${file}.setup`;
  let text = await readFile(draftFile, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return template;
    throw new QcError('config-not-writable', `${draftFile} cannot be read: ${error.message}`);
  });
  let last: Promise<unknown> = Promise.resolve();
  let isFinished = false;

  /** One after the other. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = last.then(work);
    last = done.catch(() => undefined);
    return done;
  }

  const problemsOf = (draft: string): readonly Problem[] => {
    try {
      loadText({ file, text: draft }, env);
      return [];
    } catch (error) {
      if (error instanceof ConfigError) return error.problems;
      throw error;
    }
  };
  const valuesOf = (draft: string) => (parse(draft) ?? {}) as Record<string, unknown>;
  const shown = ({ key, what, remedy }: Problem) => ({ key, what, remedy });

  function edited(request: SettingsRequest, secretValues: boolean): string {
    if (request.hash !== hashOf(text))
      throw new QcError('config-changed', 'another page has changed the draft');
    const changes = request.changes.map(({ path, value }): Change => ({ path, value: value ?? null }));
    const named = request.secrets.map(({ path }): Change => ({ path, value: secretFile(path) }));
    return editText(text, secretValues ? [...changes, ...named] : changes);
  }

  /** The problems that a changed draft has and the present one has not. */
  function added(draft: string): Problem[] {
    const before = new Set(problemsOf(text).map(({ key }) => key));
    return problemsOf(draft).filter(({ key }) => !before.has(key));
  }

  function answer(draft: string, problems: readonly Problem[]): SettingsAnswer {
    const changes = changedLeaves(valuesOf(text), valuesOf(draft)).map(({ path, before, after }) => ({
      key: path.join('.'),
      before: shownValue(before),
      after: shownValue(after),
      applies: 'now' as const,
    }));
    const base = { hash: hashOf(draft), warnings: [], pending: [], copy: null };
    return { ...base, ok: problems.length === 0, changes, problems: problems.map(shown) };
  }

  async function changeNow(request: SettingsRequest): Promise<SettingsAnswer> {
    if (isFinished) throw new QcError('setup-finished', `${file} is written`);
    // Files of secrets are written only for a change that is otherwise correct.
    const plain = added(edited(request, false)).filter(({ what }) => what !== 'a password without a user');
    if (plain.length > 0) throw refusalOf(plain);
    const secrets = request.secrets.map(({ path, value }) => ({
      file: join(dirname(file), secretFile(path)),
      value,
    }));
    const restoreSecrets = await writeSecrets(secrets, { keepsCopies: true });
    try {
      const draft = edited(request, true);
      const problems = added(draft);
      if (problems.length > 0) throw refusalOf(problems);
      const found = answer(draft, []);
      await writeDurably(draftFile, draft, 0o640).catch((error: Error) => {
        throw new QcError('config-not-writable', `${draftFile} cannot be written: ${error.message}`);
      });
      text = draft;
      return found;
    } catch (error) {
      await restoreSecrets();
      throw error;
    }
  }

  async function finishNow(): Promise<void> {
    const missing = problemsOf(text);
    if (missing.length > 0) throw refusalOf(missing);
    await writeConfigFile(file, text);
    isFinished = true;
    // The configuration is written: a draft that cannot be removed is not used again.
    await rm(draftFile, { force: true }).catch(() => undefined);
  }

  return {
    view: () => ({
      file,
      hash: hashOf(text),
      values: withoutSecrets(valuesOf(text)),
      environment: {},
      live: [],
      pending: [],
      fault: problemsOf(text)
        .map(({ key, what }) => `${key}: ${what}`)
        .join('; '),
    }),
    check(request) {
      const draft = edited(request, false);
      return { ...answer(draft, added(draft)), hash: hashOf(text) };
    },
    change: (request) => inTurn(() => changeNow(request)),
    requireValid: () => void loadText({ file, text }, env),
    restart: () => undefined,
    known() {
      try {
        return loadText({ file, text }, env).config;
      } catch {
        const { station } = valuesOf(text);
        return { station: typeof station === 'string' ? station : 'station', cameras: {} };
      }
    },
    finish: () => inTurn(finishNow),
  };
}
