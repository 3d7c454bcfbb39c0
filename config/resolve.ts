/** Checks what a schema cannot: files, secrets, and keys that depend on each other. Fills in derived settings. */
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { z } from 'zod';
import type { mqttSchema } from './mqtt-schema.ts';
import type { CameraConfig, Config, HttpConfig, ModelConfig, MqttConfig, RemoteConfig } from './schema.ts';
import { exposure, fileFault, hasPassword, openness, readSecret } from './secrets.ts';
import type { Path } from './tree.ts';

/** Receives the problems while a section is resolved. */
export interface Findings {
  problem(path: Path, what: string, remedy: string): void;
  warn(path: Path, what: string): void;
}

export interface Scope extends Findings {
  /** Relative paths are relative to this file. */
  readonly file: string;
}

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

/** A camera with its password, and its paths absolute. */
export function resolveCamera(camera: CameraConfig, name: string, scope: Scope): CameraConfig {
  const path = ['cameras', name];
  const url = [...path, 'url'];
  const resolved: Writable<CameraConfig> = withPassword(camera, path, scope);
  if (hasPassword(camera.url)) {
    scope.problem(
      url,
      'the address contains a password',
      `leave only the user in it; put the password in a file and set passwordFile to that file, or set QC_CAMERAS__${variable(name)}__PASSWORD`,
    );
  }
  if (camera.latencyMs >= camera.maxAgeMs)
    scope.problem(
      [...path, 'latencyMs'],
      `a delay of ${camera.latencyMs} ms is not below maxAgeMs (${camera.maxAgeMs}): no part would pass`,
      'make the camera faster, or raise maxAgeMs if an image may be that old',
    );
  if (!camera.url.startsWith('file:')) return resolved;
  const source = absolute(scope, filePath(camera.url));
  const fault = fileFault(source);
  if (fault && !fault.what.endsWith('is not a file')) scope.problem(url, fault.what, fault.remedy);
  resolved.url = `file:${source}`;
  resolved.simulated = true;
  return resolved;
}

/** The broker with its password, topic and client id, and its paths absolute. */
export function resolveMqtt(mqtt: z.output<typeof mqttSchema>, station: string, scope: Scope): MqttConfig {
  const { topic = `qc/${station}`, clientId = `qc-${station}` } = mqtt;
  const resolved: Writable<MqttConfig> = withPassword({ ...mqtt, topic, clientId }, ['mqtt'], scope);
  if (/^\w+:\/\/[^/]*@/.test(mqtt.url)) {
    scope.problem(
      ['mqtt', 'url'],
      hasPassword(mqtt.url) ? 'the address contains a password' : 'the address contains a user',
      'set mqtt.username, and put the password in a file named by passwordFile or in QC_MQTT__PASSWORD',
    );
  }
  for (const key of ['ca', 'cert', 'key'] as const) {
    const given = mqtt[key];
    if (given === undefined) continue;
    resolved[key] = useFile(scope, ['mqtt', key], given, key === 'key' ? exposure : undefined);
    if (mqtt.url.startsWith('mqtt://'))
      scope.problem(
        ['mqtt', key],
        `${key} has no effect with mqtt://`,
        'write mqtts:// in url, or remove it',
      );
  }
  if (mqtt.cert !== undefined && mqtt.key === undefined)
    scope.problem(['mqtt', 'cert'], 'a certificate without its key', 'add key: its PEM file');
  if (mqtt.key !== undefined && mqtt.cert === undefined)
    scope.problem(['mqtt', 'key'], 'a key without its certificate', 'add cert: its PEM file');
  const password = mqtt.passwordFile !== undefined ? 'passwordFile' : 'password';
  // MQTT 3.1.1 section 3.1.2.9 forbids it; MQTT 5 does not.
  if (mqtt[password] !== undefined && mqtt.username === undefined && mqtt.protocol !== '5')
    scope.problem(['mqtt', password], 'a password without a user', 'add username');
  return resolved;
}

/** The listener; refused if other machines could reach it without a token. */
export function resolveHttp(http: HttpConfig, scope: Scope): HttpConfig {
  const { tokensFile, cert, key, ...rest } = http;
  const others = !isLoopback(http.host);
  if (tokensFile === undefined && others) {
    scope.problem(
      ['http', 'host'],
      `HTTP serves loopback only unless tokens are configured; ${JSON.stringify(http.host)} is not loopback`,
      'write host: 127.0.0.1, or add tokensFile',
    );
  }
  if (cert !== undefined && key === undefined)
    scope.problem(['http', 'cert'], 'a certificate without its key', 'add key: its PEM file');
  if (key !== undefined && cert === undefined)
    scope.problem(['http', 'key'], 'a key without its certificate', 'add cert: its PEM file');
  if (tokensFile !== undefined && others && cert === undefined)
    scope.warn(['http', 'host'], 'tokens are sent unencrypted: add cert and key, or a proxy with TLS');
  // The tokens file contains only hashes.
  const looks = { tokensFile: openness, cert: undefined, key: exposure };
  const file = (name: keyof typeof looks, given: string | undefined) =>
    given === undefined ? {} : { [name]: useFile(scope, ['http', name], given, looks[name]) };
  return { ...rest, ...file('tokensFile', tokensFile), ...file('cert', cert), ...file('key', key) };
}

/** The model; a base given as a path is made absolute and must exist. */
export function resolveModel(model: ModelConfig, scope: Scope): ModelConfig {
  if (model.provider === 'remote' && !model.remote) {
    scope.problem(['model', 'provider'], 'remote without a server', 'add model.remote with url and model');
  }
  const isPath = /[\\/]|\.onnx$/i.test(model.base);
  return {
    ...model,
    ...(model.profile !== undefined && { profile: absolute(scope, model.profile) }),
    ...(isPath && { base: useFile(scope, ['model', 'base'], model.base) }),
    ...(model.remote && { remote: resolveRemote(model.remote, scope) }),
  };
}

/** The inference server. Its token is read from its file when it is needed, because it may change while the agent runs. */
function resolveRemote(remote: RemoteConfig, scope: Scope): RemoteConfig {
  const path = ['model', 'remote'];
  const resolved: Writable<RemoteConfig> = { ...remote };
  const isSecure = remote.url.startsWith('https:');
  if (/^\w+:\/\/[^/]*@/.test(remote.url)) {
    const remedy = 'remove it; put a token in a file named by tokenFile';
    scope.problem([...path, 'url'], 'the address contains a user', remedy);
  }
  if (remote.ca !== undefined) {
    resolved.ca = useFile(scope, [...path, 'ca'], remote.ca);
    const remedy = 'write https:// in url, or remove it';
    if (!isSecure) scope.problem([...path, 'ca'], 'ca has no effect with http://', remedy);
  }
  if (remote.tokenFile !== undefined) {
    const file = absolute(scope, remote.tokenFile);
    resolved.tokenFile = file;
    const read = remote.token === undefined ? readSecret(file) : undefined;
    if (read && 'fault' in read) scope.problem([...path, 'tokenFile'], read.fault.what, read.fault.remedy);
    const warning = read && !('fault' in read) ? exposure(file) : undefined;
    if (warning) scope.warn([...path, 'tokenFile'], warning);
  }
  const key = remote.tokenFile === undefined ? 'token' : 'tokenFile';
  const host = URL.canParse(remote.url) ? new URL(remote.url).hostname : '';
  if (remote[key] !== undefined && !isSecure && !isLoopback(host)) {
    scope.warn([...path, key], 'the token is sent unencrypted: use https:// in url');
  }
  return resolved;
}

export function resolveStorage(storage: Config['storage'], scope: Scope): Config['storage'] {
  return { ...storage, directory: absolute(scope, storage.directory) };
}

/** The settings of a product without a recipe. */
export const defaultRecipe = 'default';

/** The challenge test must name existing cameras. */
export function checkChallenge(challenge: unknown, cameras: readonly string[], scope: Findings): void {
  const named = (challenge as { cameras?: unknown } | null | undefined)?.cameras;
  if (!Array.isArray(named)) return;
  for (const [index, camera] of named.entries()) {
    if (typeof camera !== 'string' || cameras.includes(camera)) continue;
    const remedy = `use one of: ${cameras.join(', ')}`;
    scope.problem(['challenge', 'cameras', index], `there is no camera "${camera}"`, remedy);
  }
}

/** Recipes must name existing cameras and must not use the name of the default. */
export function checkRecipes(recipes: unknown, cameras: readonly string[], scope: Findings): void {
  for (const [recipe, section] of Object.entries(recipes ?? {})) {
    if (recipe === defaultRecipe) {
      const what = `the recipe "${defaultRecipe}" always exists: it uses the cameras, the active head and the thresholds`;
      scope.problem(['recipes', recipe], what, 'give it another name, or change those');
    }
    for (const camera of Object.keys((section as { cameras?: object } | null)?.cameras ?? {})) {
      if (cameras.includes(camera)) continue;
      const remedy = `use one of: ${cameras.join(', ')}`;
      scope.problem(['recipes', recipe, 'cameras', camera], `there is no camera "${camera}"`, remedy);
    }
  }
}

/** Sparkplug 3.0 §5.2: hosts may treat device ids that differ only in case as the same. */
export function warnOfCase(cameras: readonly string[], scope: Findings): void {
  const first = new Map<string, string>();
  for (const camera of cameras) {
    const other = first.get(camera.toLowerCase());
    if (other === undefined) first.set(camera.toLowerCase(), camera);
    else
      scope.warn(['cameras', camera], `differs from ${other} only in case, which Sparkplug hosts may ignore`);
  }
}

/** Loopback addresses (RFC 1122 section 3.2.1.3, RFC 4291 section 2.5.3). */
export function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|::1|\[::1\])$/i.test(host);
}

interface WithPassword {
  readonly password?: string | undefined;
  readonly passwordFile?: string | undefined;
}

/** A password from the environment takes precedence over its file, which is then neither opened nor part of the result. */
function withPassword<T extends WithPassword>(section: T, path: Path, scope: Scope): T {
  if (section.passwordFile === undefined) return { ...section };
  const passwordFile = absolute(scope, section.passwordFile);
  if (section.password !== undefined) return { ...section, passwordFile: undefined };
  const at = [...path, 'passwordFile'];
  const read = readSecret(passwordFile);
  if ('fault' in read) {
    scope.problem(at, read.fault.what, read.fault.remedy);
    return { ...section, passwordFile };
  }
  const warning = exposure(passwordFile);
  if (warning) scope.warn(at, warning);
  return { ...section, passwordFile, password: read.secret };
}

/** @param look checks a file that exists */
function useFile(
  scope: Scope,
  path: Path,
  given: string,
  look: (file: string) => string | undefined = () => undefined,
): string {
  const file = absolute(scope, given);
  const fault = fileFault(file);
  if (fault) scope.problem(path, fault.what, fault.remedy);
  const warning = fault ? undefined : look(file);
  if (warning) scope.warn(path, warning);
  return file;
}

const absolute = (scope: Scope, path: string) => resolve(dirname(scope.file), path);
const filePath = (url: string) =>
  url.startsWith('file:///') ? fileURLToPath(url) : url.replace(/^file:(\/\/)?/, '');
const variable = (name: string) => name.toUpperCase().replaceAll('-', '_');
