/** Loads a YAML file and the environment into a complete, frozen Config, or reports everything that is wrong. */

import type { z } from 'zod';
import { cameraSchema } from './camera-schema.ts';
import { check } from './check.ts';
import { readDocument } from './document.ts';
import { type Environment, overlayEnvironment } from './environment.ts';
import { explainAll } from './explain.ts';
import { httpSchema } from './http-schema.ts';
import { modelSchema } from './model-schema.ts';
import { mqttSchema } from './mqtt-schema.ts';
import { ConfigError, type Problem } from './problems.ts';
import {
  checkChallenge,
  checkRecipes,
  resolveCamera,
  resolveHttp,
  resolveModel,
  resolveMqtt,
  resolveStorage,
  type Scope,
  warnOfCase,
} from './resolve.ts';
import { type Config, configSchema, stationSchema, storageSchema } from './schema.ts';
import { configTree, nodeAt, type Path } from './tree.ts';

/**
 * Loads a configuration: the file, overridden by `QC_` variables, then passwords from their files.
 * Returned paths are absolute (relative ones are relative to the file); passwords are in `password`.
 * @param onWarning called for settings that work but should be corrected (a password file that everybody can read)
 * @throws ConfigError listing every problem with position, key and remedy; it never quotes a secret
 */
export function loadConfig(file: string, env: Environment, onWarning?: (text: string) => void): Config {
  return loadText({ file }, env, onWarning).config;
}

export interface ConfigText {
  /** Relative paths are relative to it. */
  readonly file: string;
  /** Default: the content of the file. */
  readonly text?: string;
}

export interface LoadedText {
  readonly config: Config;
  /** The settings as written, with defaults filled in and without secrets of the environment; paths as written. */
  readonly written: z.output<typeof configSchema>;
  /** The variables of the environment that decided keys, by dotted key. */
  readonly variables: ReadonlyMap<string, string>;
}

/** As `loadConfig`, of a text that may not be in the file yet. */
export function loadText(
  source: ConfigText,
  env: Environment,
  onWarning: (text: string) => void = () => undefined,
): LoadedText {
  try {
    return load(source, env, onWarning);
  } catch (error) {
    // Parser and checks recurse per level; the stack suffices for any real configuration.
    if (!(error instanceof RangeError)) throw error;
    const remedy = 'start from config/agent.yaml, the commented example';
    throw new ConfigError([
      { where: source.file, key: '', what: 'the values are nested too deeply', remedy },
    ]);
  }
}

function load({ file, text }: ConfigText, env: Environment, onWarning: (text: string) => void): LoadedText {
  const document = readDocument(file, text);
  const overlay = overlayEnvironment(document.value, env);
  const raw = emptySections(overlay.value);
  const problems: Problem[] = [...document.duplicates, ...overlay.problems];
  const where = (path: Path, at: 'key' | 'value') => overlay.variable(path) ?? document.where(path, at);
  const scope: Scope = {
    file,
    problem: (path, what, remedy) =>
      problems.push({ where: where(path, 'value'), key: path.join('.'), what, remedy }),
    warn: (path, what) => onWarning(`${where(path, 'value')} ${path.join('.')}: ${what}`),
  };

  for (const path of writtenPasswords(document.value)) {
    problems.push({
      where: document.where(path, 'key'),
      key: path.join('.'),
      what: 'a password must not be in this file',
      remedy: 'put it in a separate file and set passwordFile to that file, or set it in the environment',
    });
  }
  const parsed = check(configSchema, raw);
  for (const { path, at, what, remedy } of explainAll(parsed.error?.issues ?? [], raw)) {
    problems.push({ where: where(path, at), key: path.join('.'), what, remedy });
  }
  const resolved = resolveSections(raw, scope);
  if (!parsed.success || problems.length > 0) throw new ConfigError(inOrder(firstOfEach(problems)));
  // Without problems, every section was resolved.
  return {
    config: freeze({ ...parsed.data, ...(resolved as Config) }),
    written: parsed.data,
    variables: overlay.variables,
  };
}

/**
 * Resolves every section that is valid automatically, so that a mistake in one does not hide those in others.
 */
function resolveSections(raw: Record<string, unknown>, scope: Scope): Partial<Config> {
  const station = check(stationSchema, raw.station).data ?? 'station';
  const cameras: Config['cameras'] = {};
  for (const [name, section] of Object.entries(raw.cameras ?? {})) {
    const camera = check(cameraSchema, section);
    if (camera.success) cameras[name] = resolveCamera(camera.data, name, scope);
  }
  checkRecipes(raw.recipes, Object.keys(raw.cameras ?? {}), scope);
  checkChallenge(raw.challenge, Object.keys(raw.cameras ?? {}), scope);
  const mqtt = check(mqttSchema, raw.mqtt ?? {});
  if (mqtt.data?.sparkplug) warnOfCase(Object.keys(cameras), scope);
  const http = check(httpSchema, raw.http ?? {});
  const model = check(modelSchema, raw.model ?? {});
  const storage = check(storageSchema, raw.storage ?? {});
  return {
    cameras,
    ...(mqtt.success && { mqtt: resolveMqtt(mqtt.data, station, scope) }),
    ...(http.success && { http: resolveHttp(http.data, scope) }),
    ...(model.success && { model: resolveModel(model.data, scope) }),
    ...(storage.success && { storage: resolveStorage(storage.data, scope) }),
  };
}

/** `mqtt:` with every key below it commented out means the defaults, not null. */
function emptySections(value: Record<string, unknown>): Record<string, unknown> {
  const optional = (key: string) => configTree.properties?.[key]?.default !== undefined;
  return Object.fromEntries(
    Object.entries(value).map(([key, section]) => [key, section === null && optional(key) ? {} : section]),
  );
}

function writtenPasswords(value: unknown, path: string[] = []): string[][] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, below]) => {
    const here = [...path, key];
    return nodeAt(here)?.secret ? [here] : writtenPasswords(below, here);
  });
}

/** A value that is out of range often violates a second rule as well: only the first is reported. */
function firstOfEach(problems: readonly Problem[]): Problem[] {
  const id = ({ where, key }: Problem) => `${where} ${key}`;
  return [...new Map(problems.toReversed().map((problem) => [id(problem), problem])).values()];
}

/** In the order of the file; those of the environment last. */
function inOrder(problems: readonly Problem[]): Problem[] {
  const line = ({ where }: Problem) => Number(/:(\d+):\d+$/.exec(where)?.[1] ?? Number.POSITIVE_INFINITY);
  return [...problems].sort((a, b) => (line(a) === line(b) ? 0 : line(a) - line(b)));
}

/** Freezes a value and everything in it. */
export function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const below of Object.values(value)) freeze(below);
    Object.freeze(value);
  }
  return value;
}
