import { copyFile, mkdtemp, open, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { embeddedBases } from '../../models/base.ts';
import { writeTiny } from '../models/tiny-model.ts';
import { startAgent } from '../rigs/plant-agent.ts';

const name = 'resnet50-embedded';

interface Damage {
  readonly kind: string;
  /** Damages the files in the folder; returns the value of model.base. */
  readonly damage: (folder: string, base: string) => Promise<string>;
  /** The expected message. */
  readonly found: RegExp;
}

const damages: readonly Damage[] = [
  {
    kind: 'truncated',
    async damage(_folder, base) {
      await truncate(base, 1_000_000);
      return base;
    },
    found: /not a complete ONNX file \(1000000 bytes\)/,
  },
  {
    kind: 'changed in one byte of its weights',
    async damage(_folder, base) {
      const file = await open(base, 'r+');
      const byte = Buffer.alloc(1);
      await file.read(byte, 0, 1, 10_000_000);
      await file.write(Buffer.from([byte[0]! ^ 1]), 0, 1, 10_000_000);
      await file.close();
      return base;
    },
    found: /is not the file that its manifest describes: sha256 [0-9a-f]{64}, expected [0-9a-f]{64}/,
  },
  {
    kind: 'complete, but its manifest has a changed preprocessing',
    async damage(_folder, base) {
      const file = base.replace(/\.onnx$/, '.json');
      await writeFile(file, (await readFile(file, 'utf8')).replace('0.485', '0.385'));
      return base;
    },
    found: /resnet50-embedded\.json does not match its checksum/,
  },
  {
    kind: 'not an ONNX file',
    async damage(_folder, base) {
      await writeFile(base, '<!doctype html><title>404 Not Found</title>');
      return base;
    },
    found: /not a complete ONNX file/,
  },
  {
    kind: 'different from its manifest, which names a missing tensor',
    damage: (folder) =>
      writeTiny(folder, { features: { tensor: 'pooled_features', pool: 'none', size: 2048 } }),
    found: /the graph has outputs logits .* and no tensor "pooled_features"/,
  },
  {
    kind: 'missing',
    damage: async () => 'resnet51',
    found: /there is no base named "resnet51" in/,
  },
];

describe('a damaged model is refused', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'qc-bad-model-'));
    for (const file of [`${name}.onnx`, `${name}.json`])
      await copyFile(join(embeddedBases, file), join(folder, file));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it.each(damages)('$kind: exit 3 with a description', async ({ damage, found }) => {
    const base = await damage(folder, join(folder, `${name}.onnx`));
    const file = join(folder, 'agent.yaml');
    await writeFile(
      file,
      `station: s\ncameras:\n  top: {url: rtsp://127.0.0.1:1/a}\nhttp: {port: 0}\nmqtt: {url: mqtt://127.0.0.1:1}\nmodel: {base: ${base}}\n`,
    );
    await using agent = startAgent(['run', '--config', file], { cwd: folder });
    expect((await agent.exited).code).toBe(3);
    const said = agent.stderr.split('\n').filter((line) => line.startsWith('error: '));
    expect(said).toHaveLength(1);
    expect(said[0]).toMatch(found);
  });
});
