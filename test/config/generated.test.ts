import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import {
  configCheckCommand,
  configReferenceCommand,
  configSchemaCommand,
} from '../../agent/cli/config-commands.ts';
import { loadConfig } from '../../config/load.ts';
import { packageRoot } from '../../config/package.ts';

const committed = (name: string) => fileURLToPath(new URL(`../../../config/${name}`, import.meta.url));

test('what is made from the schema is committed fresh', () => {
  expect(readFileSync(committed('agent.schema.json'), 'utf8')).toBe(configSchemaCommand());
  expect(readFileSync(committed('reference.md'), 'utf8')).toBe(configReferenceCommand());
  execFileSync('node', [fileURLToPath(new URL('../../config/generate.js', import.meta.url)), '--check']);
});

test('the JSON Schema explains every key and offers no password', () => {
  const schema = JSON.parse(configSchemaCommand());
  expect(schema.$schema).toBe('https://json-schema.org/draft/2020-12/schema');
  const unexplained: string[] = [];
  const walk = (node: Record<string, unknown>, path: string): void => {
    const children = Object.entries((node.properties ?? {}) as Record<string, Record<string, unknown>>);
    for (const [key, child] of children) {
      if (!child.description) unexplained.push(`${path}.${key}`);
      walk(child, `${path}.${key}`);
    }
    for (const one of (node.oneOf ?? []) as Record<string, unknown>[]) walk(one, path);
    if (node.additionalProperties) walk(node.additionalProperties as Record<string, unknown>, `${path}.NAME`);
  };
  walk(schema, '');
  expect(unexplained).toEqual([]);
  expect(configSchemaCommand()).not.toContain('"password"');
});

test('the example is good as it is, and points at the demo line', () => {
  const config = loadConfig(committed('agent.yaml'), {});
  expect(config.cameras.top).toMatchObject({
    url: 'rtsp://127.0.0.1:8554/camera',
    trigger: { kind: 'presence' },
    vote: { frames: 3 },
  });
  expect(config.storage.directory).toBe(join(packageRoot, 'config/data'));
  expect(config.mqtt.url).toBe('mqtt://127.0.0.1:1883');
  expect(config.http).toMatchObject({ host: '127.0.0.1', port: 8080 });
});

test('config check says what would run, and no secret', () => {
  const folder = mkdtempSync(join(tmpdir(), 'qc-check-'));
  try {
    const file = join(folder, 'c.yaml');
    writeFileSync(
      file,
      'station: s\ncameras:\n  top: {url: "rtsp://u@h/a?pwd=hunter2"}\nmqtt: {username: u}\n',
    );
    const text = configCheckCommand(file, {
      QC_CAMERAS__TOP__PASSWORD: 'hunter2',
      QC_MQTT__PASSWORD: 'hunter2',
    });
    expect(text).toContain(
      'camera top: rtsp://u@h/a?pwd=*** with a password, continuous, 1 frame a part, 100 %',
    );
    expect(text).toContain('broker mqtt://127.0.0.1:1883 as u with a password, topics under qc/s');
    expect(text).not.toContain('hunter2');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
