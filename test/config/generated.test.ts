import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { loadConfig } from '../../config/load.ts';
import { packageRoot } from '../../config/package.ts';
import { referenceText, schemaText } from '../../config/reference.ts';

const committed = (name: string) => fileURLToPath(new URL(`../../../config/${name}`, import.meta.url));

test('the committed files agree with the schema', () => {
  expect(readFileSync(committed('agent.schema.json'), 'utf8')).toBe(schemaText());
  expect(readFileSync(committed('reference.md'), 'utf8')).toBe(referenceText());
  execFileSync('node', [fileURLToPath(new URL('../../config/generate.js', import.meta.url)), '--check']);
});

test('the JSON Schema explains every key and offers no password', () => {
  const schema = JSON.parse(schemaText());
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
  expect(schemaText()).not.toContain('"password"');
});

test('the example is valid, and refers to the demo line', () => {
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
