import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { Environment } from '../../config/environment.ts';
import { loadConfig } from '../../config/load.ts';
import { ConfigError, problemLine } from '../../config/problems.ts';
import { hostileJson, hostileValues } from '../rigs/hostile.ts';
import { badConfigs } from './bad-configs.ts';

const folder = mkdtempSync(join(tmpdir(), 'qc-config-'));
afterAll(() => rmSync(folder, { recursive: true }));

const good = 'station: press-3\ncameras:\n  top-left:\n    url: rtsp://u@10.0.0.7/a\n';

function write(text: string | Buffer, name = 'config.yaml', mode = 0o600): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  chmodSync(file, mode);
  return file;
}

const load = (yaml: string, env: Environment = {}, warn?: (text: string) => void) =>
  loadConfig(write(yaml), env, warn);

function failure(run: () => unknown): ConfigError {
  try {
    run();
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('the configuration was accepted');
}

describe('a bad configuration is refused with line, key and remedy', () => {
  test.each(badConfigs)('$kind', ({ yaml, line, key, what, remedy }) => {
    const { problems, exitCode } = failure(() => load(yaml));
    expect(problems.map(problemLine)).toHaveLength(1);
    const [problem] = problems;
    expect(problem?.where).toMatch(new RegExp(`config\\.yaml:${line}:\\d+$`));
    expect(problem?.key).toBe(key);
    expect(problem?.what).toMatch(what);
    expect(problem?.remedy).toMatch(remedy);
    expect(JSON.stringify(problem)).not.toContain('hunter2');
    expect(exitCode).toBe(key === 'model.base' ? 3 : 2);
  });

  test.each([
    ['lists', '['.repeat(20_000)],
    ['lists that are closed', `${'['.repeat(20_000)}${']'.repeat(20_000)}`],
    ['mappings', '{a: '.repeat(20_000)],
    ['a value', `station: ${'['.repeat(5_000)}1${']'.repeat(5_000)}\n`],
    ['block lists', '- '.repeat(20_000)],
  ])('%s, nested very deeply', (_, yaml) => {
    const { problems, exitCode } = failure(() => load(yaml));
    expect(problems[0]!.where).toContain('config.yaml');
    expect(exitCode).toBe(2);
  });

  test('a value of any kind in any place', () => {
    for (const value of hostileValues) {
      const text = hostileJson(value);
      for (const yaml of [
        `station: ${text}\ncameras: {top: {url: "rtsp://h/a"}}\n`,
        `station: s\ncameras: {top: {url: ${text}, trigger: ${text}}}\n`,
        `station: s\ncameras: ${text}\nmqtt: {url: ${text}, topic: ${text}}\nlabels: {good: ${text}}\n`,
      ]) {
        try {
          load(yaml);
        } catch (error) {
          expect(error).toBeInstanceOf(ConfigError);
        }
      }
    }
  });

  test('all problems are reported together, from top to bottom', () => {
    const error = failure(() =>
      load(
        'cameras:\n  a: {url: "rtsp://u:hunter2@h", regoin: {}}\n  b: {url: file:./none}\nhttp: {host: 0.0.0.0}\n',
        { QC_MQTT_URL: 'mqtt://h' },
      ),
    );
    expect(error.problems.map(({ key }) => key)).toEqual([
      'station',
      'cameras.a.regoin',
      'cameras.b.url',
      'http.host',
      '',
    ]);
    expect(error.line.split('\n')).toHaveLength(5);
    expect(error.line).not.toContain('hunter2');
  });

  test('an invalid file', () => {
    const said = (file: string) => failure(() => loadConfig(file, {})).line;
    expect(said(join(folder, 'absent.yaml'))).toMatch(/no such file.*--config/);
    mkdirSync(join(folder, 'dir'), { recursive: true });
    expect(said(join(folder, 'dir'))).toMatch(/a folder.*name the YAML file/);
    expect(said(write('', 'empty.yaml'))).toMatch(/empty.*agent\.yaml/);
    expect(said(write('# only a comment\n', 'comment.yaml'))).toMatch(/empty/);
    expect(said(write(Buffer.from('station: s', 'utf16le'), 'utf16.yaml'))).toMatch(/UTF-8/);
    expect(said(write('a: *b\n', 'alias.yaml'))).toMatch(/quotes/);
  });
});

describe('a good configuration', () => {
  test('is complete, absolute and frozen', () => {
    const config = load(`${good}storage: {directory: d}\nmqtt:\n  # url: all commented out\n`);
    expect(config.mqtt).toMatchObject({
      url: 'mqtt://127.0.0.1:1883',
      topic: 'qc/press-3',
      clientId: 'qc-press-3',
    });
    expect(config.storage.directory).toBe(join(folder, 'd'));
    expect(config.cameras['top-left']).toMatchObject({
      region: { x: 0, width: 1 },
      trigger: { kind: 'continuous', everyMs: 200 },
    });
    const parts: unknown[] = [config];
    for (const part of parts) {
      expect(Object.isFrozen(part)).toBe(true);
      parts.push(...Object.values(part as object).filter((v) => typeof v === 'object'));
    }
  });

  test('reads passwords from files relative to it, without the line end, and warns of open ones', () => {
    write('s3cret pass\r\n', 'camera.txt');
    write('broker\n', 'broker.txt', 0o644);
    const warnings: string[] = [];
    const config = load(
      `${good}    passwordFile: camera.txt\nmqtt: {username: u, passwordFile: ./broker.txt}\n`,
      {},
      (text) => warnings.push(text),
    );
    expect(config.cameras['top-left']?.password).toBe('s3cret pass');
    expect(config.mqtt.password).toBe('broker');
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(
      /config\.yaml:6:\d+ mqtt\.passwordFile: .*broker\.txt can be read by every user.*chmod/,
    );
  });

  test('warns of tokens without TLS, and of a tokens file that is writable by others, but not of a readable one', () => {
    for (const name of ['cert.pem', 'key.pem']) write('x', name, 0o600);
    const warningsOf = (mode: number, more = '') => {
      write('anna viewer 0\n', 'tokens', mode);
      const warnings: string[] = [];
      load(`${good}http: {host: 0.0.0.0, tokensFile: tokens${more}}\n`, {}, (text) => warnings.push(text));
      return warnings.join('\n');
    };
    const tls = ', cert: cert.pem, key: key.pem';
    expect(warningsOf(0o644, tls)).toBe('');
    expect(warningsOf(0o646, tls)).toMatch(/http\.tokensFile: .* can be changed by every user.*chmod o-w/);
    expect(warningsOf(0o600)).toMatch(/http\.host: tokens are sent unencrypted/);
  });

  test.each([
    ['', /is empty/],
    ['\n', /is empty/],
    ['two\nlines\n', /one line/],
  ])('refuses %j as a password file', (text, what) => {
    write(text, 'bad.txt');
    expect(failure(() => load(`${good}    passwordFile: bad.txt\n`)).line).toMatch(what);
  });

  test('shares settings between cameras by YAML anchors', () => {
    const config = load(
      'station: s\ncameras:\n  a: &a {url: rtsp://h/a, vote: {frames: 3}}\n  b: {<<: *a, url: rtsp://h/b}\n',
      { QC_CAMERAS__B__VOTE__FRAMES: '5' },
    );
    expect(config.cameras).toMatchObject({
      a: { vote: { frames: 3 } },
      b: { url: 'rtsp://h/b', vote: { frames: 5 } },
    });
  });

  test('accepts images instead of a camera, always marked as simulated', () => {
    mkdirSync(join(folder, 'pictures'), { recursive: true });
    const config = load('station: s\ncameras:\n  a: {url: file:./pictures}\n');
    expect(config.cameras.a).toMatchObject({ url: `file:${join(folder, 'pictures')}`, simulated: true });
  });
});

describe('the environment', () => {
  test('overrides the file; texts stay texts', () => {
    const config = load(good, {
      QC_CAMERAS__TOP_LEFT__PASSWORD: '0123',
      QC_CAMERAS__TOP_LEFT__TRIGGER__KIND: 'presence',
      qc_cameras__top_left__trigger__Enter: '0.2',
      QC_MQTT__USERNAME: 'true',
      QC_MQTT__PASSWORD: ' a: b ',
      QC_HTTP__PORT: '0',
      QC_LABELS__GOOD: '[good, fine]',
      QC_STATION: '007',
      QC_MQTT__URL: '',
    });
    expect(config.cameras['top-left']).toMatchObject({
      password: '0123',
      trigger: { kind: 'presence', enter: 0.2 },
    });
    expect(config.mqtt).toMatchObject({ username: 'true', password: ' a: b ', url: 'mqtt://127.0.0.1:1883' });
    expect(config.http.port).toBe(0);
    expect(config.labels.good).toEqual(['good', 'fine']);
    expect(config.station).toBe('007');
  });

  test('overrides a password file, which may be missing', () => {
    const yaml = `${good}    passwordFile: ./not-there\n`;
    expect(load(yaml, { QC_CAMERAS__TOP_LEFT__PASSWORD: 'x' }).cameras['top-left']?.password).toBe('x');
  });

  test.each([
    ['QC_MQTT_URL', 'mqtt://h', /unknown setting; did you mean QC_MQTT__URL\?/],
    ['QC_CAMERAS__TPO_LEFT__PASSWORD', 'x', /did you mean QC_CAMERAS__TOP_LEFT__PASSWORD\?/],
    ['QC_BANANA', '1', /unknown setting — /],
    ['QC_HTTP__PORT', 'eighty', /QC_HTTP__PORT http\.port: found the text "eighty" — write a whole number/],
    ['QC_HTTP__PORT', '70000', /QC_HTTP__PORT http\.port: the number 70000 is out of range/],
    ['QC_HTTP__PORT', '[1', /not valid YAML/],
    ['QC_HTTP__HOST', '0.0.0.0', /QC_HTTP__HOST http\.host: HTTP serves loopback only/],
    ['QC_MQTT__PASSWORD', 'hunter2', /QC_MQTT__PASSWORD mqtt\.password: a password without a user/],
    ['QC_CAMERAS__TOP_LEFT__URL', 'rtsp://u:hunter2@h', /the address contains a password/],
    ['QC_CAMERAS__TOP_LEFT__URL', 'rtp:/u:hunter2@h', /must start with/],
    ['QC_CAMERAS', 'hunter2', /a mapping/],
    ['QC_MQTT__URL', 'tcp://h', /must look like/],
  ])('refuses %s=%s by name', (variable, value, what) => {
    const { line, problems } = failure(() => load(good, { [variable]: value }));
    expect(line).toMatch(what);
    expect(problems[0]?.where).toBe(variable);
    if (variable !== 'QC_CAMERAS') expect(line).not.toContain('hunter2');
  });

  test('distinguishes two cameras, or reports that it cannot', () => {
    const yaml = 'station: s\ncameras:\n  a-b: {url: rtsp://h/a}\n  A_b: {url: rtsp://h/b}\n';
    expect(failure(() => load(yaml, { QC_CAMERAS__A_B__URL: 'rtsp://h/c' })).line).toMatch(
      /may mean cameras\.a-b\.url or cameras\.A_b\.url/,
    );
  });

  test('ignores other variables', () => {
    const config = load(good, {
      PATH: '/bin',
      QC_TEST_DATA: '/x',
      QC_AGENT_PORT: 'tcp://10.0.0.1:8080',
      QC_AGENT_SERVICE_HOST: '10.0.0.1',
      QC_AGENT_PORT_8080_TCP_ADDR: '10.0.0.1',
    });
    expect(config.station).toBe('press-3');
  });
});
