import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { QcError } from '../../config/errors.ts';
import { embeddedBases, openBase } from '../../models/base.ts';
import { sealed } from '../../models/disk/checksum.ts';
import { buildModel, node, valueInfo } from '../../models/onnx/build.ts';
import { decodeModel, encodeModel } from '../../models/onnx/proto.ts';
import { tempFolder } from './temp-folder.ts';
import { tinyClassifier, tinyManifest, weights, writeTiny } from './tiny-model.ts';

async function refusal(base: string, precision: 'auto' | 'int8' = 'auto'): Promise<QcError> {
  try {
    await openBase({ base, precision });
  } catch (error) {
    expect(error).toBeInstanceOf(QcError);
    return error as QcError;
  }
  throw new Error(`${base} was accepted`);
}

describe('a base that is accepted', () => {
  test('the embedded one, unchanged', async () => {
    const base = await openBase({ base: 'resnet50-embedded', precision: 'auto' });
    expect(base.model).toBe(base.file);
    expect(Object.values(base.dimensions)).toContain(base.manifest.input.width);
  });

  test('a classifier, cut at the inner tensor of the manifest', async () => {
    await using folder = await tempFolder();
    const base = await openBase({ base: await writeTiny(folder.path), precision: 'auto' });
    const { graph } = decodeModel(base.model as Uint8Array);
    expect(graph!.node.map(({ opType }) => opType)).toEqual(['Conv', 'Relu', 'GlobalAveragePool', 'Flatten']);
    expect(graph!.initializer.map(({ name }) => name)).toEqual(['kernel']);
    expect(base.output).toBe('flat');
  });

  test('a feature map, averaged', async () => {
    await using folder = await tempFolder();
    const path = await writeTiny(folder.path, { features: { tensor: 'stage', pool: 'average', size: 8 } });
    const base = await openBase({ base: path, precision: 'auto' });
    const { graph } = decodeModel(base.model as Uint8Array);
    expect(graph!.node.map(({ opType }) => opType)).toEqual(['Conv', 'Relu', 'GlobalAveragePool', 'Flatten']);
    expect(graph!.output.map(({ name }) => name)).toEqual([base.output]);
  });

  test('a pulled one, by name', async () => {
    await using folder = await tempFolder();
    const bases = join(folder.path, 'bases');
    await mkdir(bases);
    await writeTiny(bases);
    const base = await openBase({ base: 'tiny', precision: 'auto', storageDirectory: folder.path });
    expect(base.manifest.name).toBe('tiny');
  });
});

describe('a file that is not a model is refused as damaged', () => {
  const png = Buffer.from(
    'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
    'base64',
  );
  const noise = Uint8Array.from({ length: 5_000 }, (_, i) => (i * 7919 + (i >> 3) * 104729) & 255);
  const cases: [string, Uint8Array][] = [
    ['empty', new Uint8Array(0)],
    ['a PNG', png],
    ['noise', noise],
    ['text', Buffer.from('version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n')],
  ];
  for (const [name, bytes] of cases) {
    test(`${name}, with a manifest whose hash fits`, async () => {
      await using folder = await tempFolder();
      const error = await refusal(await writeTiny(folder.path, {}, bytes));
      expect([error.code, error.exitCode]).toEqual(['model-damaged', 3]);
      expect(error.message).toContain('not a complete ONNX file');
    });

    test(`${name}, without a manifest`, async () => {
      await using folder = await tempFolder();
      await writeFile(join(folder.path, 'x.onnx'), bytes);
      expect((await refusal(join(folder.path, 'x.onnx'))).code).toBe('model-damaged');
    });
  }

  test('truncated at any length', async () => {
    await using folder = await tempFolder();
    const whole = encodeModel(tinyClassifier());
    for (const share of [0.001, 0.1, 0.5, 0.9, 0.99, 0.9999]) {
      const cut = whole.subarray(0, Math.floor(whole.length * share));
      const path = await writeTiny(folder.path, {}, cut);
      expect((await refusal(path)).code).toBe('model-damaged');
      // With the manifest of the whole file, the hash or the decoder detects it.
      await writeFile(join(folder.path, 'tiny.json'), JSON.stringify(tinyManifest(whole)));
      expect((await refusal(path)).code).toBe('model-damaged');
    }
  });

  test('the embedded base with one bit changed', async () => {
    await using folder = await tempFolder();
    const bytes = await readFile(join(embeddedBases, 'resnet50-embedded.onnx'));
    bytes[bytes.length >> 1]! ^= 1;
    await writeFile(join(folder.path, 'resnet50-embedded.onnx'), bytes);
    const manifest = await readFile(join(embeddedBases, 'resnet50-embedded.json'));
    await writeFile(join(folder.path, 'resnet50-embedded.json'), manifest);
    const error = await refusal(join(folder.path, 'resnet50-embedded.onnx'));
    expect(error.code).toBe('model-damaged');
    expect(error.message).toMatch(/sha256 [0-9a-f]{64}, expected [0-9a-f]{64}/);
  });
});

describe('a model that differs from its manifest is refused with a description of the graph', () => {
  test('another input name', async () => {
    await using folder = await tempFolder();
    const { input } = tinyManifest(new Uint8Array(0));
    const error = await refusal(await writeTiny(folder.path, { input: { ...input, name: 'input' } }));
    expect([error.code, error.exitCode]).toEqual(['model-mismatch', 3]);
    expect(error.message).toContain('the graph has inputs data [N,3,32,32] float32; the manifest says input');
  });

  test('another size, another layout', async () => {
    await using folder = await tempFolder();
    const { input } = tinyManifest(new Uint8Array(0));
    const wider = await refusal(await writeTiny(folder.path, { input: { ...input, width: 64 } }));
    expect(wider.message).toContain(
      'data [N,3,32,32] float32; the manifest says data [N,3,H,W] float32 with 64×32',
    );
    const other = await refusal(await writeTiny(folder.path, { input: { ...input, layout: 'NHWC' } }));
    expect(other.message).toContain('[N,H,W,3]');
  });

  test('a missing tensor', async () => {
    await using folder = await tempFolder();
    const features = { tensor: 'avgpool', pool: 'none', size: 8 } as const;
    const error = await refusal(await writeTiny(folder.path, { features }));
    expect(error.message).toContain('outputs logits [N,1000] float32 and no tensor "avgpool"');
  });

  test('another number of features', async () => {
    await using folder = await tempFolder();
    const features = { tensor: 'logits', pool: 'none', size: 8 } as const;
    const error = await refusal(await writeTiny(folder.path, { features }));
    expect(error.message).toContain('logits [N,1000] float32; the manifest says 8 features');
  });

  test('a model of tables instead of images', async () => {
    await using folder = await tempFolder();
    const table = buildModel({
      name: 'table',
      node: [node('MatMul', ['row', 'w'], ['out'])],
      initializer: [weights('w', [10, 8])],
      input: [valueInfo('row', ['N', 10])],
      output: [valueInfo('out', ['N', 8])],
    });
    const error = await refusal(await writeTiny(folder.path, {}, table));
    expect(error.message).toContain('row [N,10] float32');
  });
});

describe('missing parts are named', () => {
  test('no such name, no such file, no manifest, no such precision', async () => {
    await using folder = await tempFolder();
    expect((await refusal('resnet5')).message).toContain('no base named "resnet5"');
    expect((await refusal(join(folder.path, 'a.onnx'))).code).toBe('model-missing');
    await writeFile(join(folder.path, 'a.onnx'), encodeModel(tinyClassifier()));
    expect((await refusal(join(folder.path, 'a.onnx'))).message).toContain('a.json is missing');
    expect((await refusal('resnet50-embedded', 'int8')).code).toBe('precision-unavailable');
  });

  test('a manifest with wrong fields names them all', async () => {
    await using folder = await tempFolder();
    const path = await writeTiny(folder.path);
    const file = join(folder.path, 'tiny.json');
    const { checksum, ...manifest } = JSON.parse(await readFile(file, 'utf8'));
    expect(checksum).toBeDefined();
    delete manifest.licence;
    manifest.input.layout = 'NCWH';
    await writeFile(file, JSON.stringify(sealed(manifest)));
    const error = await refusal(path);
    expect(error.code).toBe('model-damaged');
    expect(error.message).toMatch(/tiny\.json.*licence.*input\.layout/);
  });
});
