import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { modelsListCommand } from '../../../agent/cli/models/list.ts';
import { QcError } from '../../../config/errors.ts';
import { modelSchema } from '../../../config/model-schema.ts';
import { storageSchema } from '../../../config/schema.ts';
import { openBase } from '../../../models/base.ts';
import { type ImportRequest, importBase } from '../../../models/hubs/import.ts';
import { openWeights } from '../../../models/hubs/read/recognise.ts';
import { openSession } from '../../../models/run/session.ts';
import { checkImage } from '../../../models/run/warm-up-check.ts';
import { tempFolder } from '../temp-folder.ts';
import { writeTiny } from '../tiny-model.ts';
import { placeOf, unpacked } from './fixtures.ts';

const size = { width: 64, height: 64 };

function request(
  path: string,
  storageDirectory: string,
  changes: Partial<ImportRequest> = {},
): ImportRequest {
  return { path, storageDirectory, size, features: 'last', ...changes };
}

async function refusalOf(work: Promise<unknown>): Promise<QcError> {
  const error = await work.then(
    () => undefined,
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(QcError);
  return error as QcError;
}

test('a checkpoint becomes a working base, with maps, licence and origin', async () => {
  await using folder = await tempFolder();
  const path = placeOf('torchvision/resnet50-small-dino-full.pth')!;
  const imported = await importBase(request(path, folder.path, { licence: 'Apache-2.0' }));
  expect(imported.manifest).toMatchObject({
    name: 'resnet50-small-dino-full',
    licence: 'Apache-2.0',
    origin: expect.stringMatching(
      /^ResNet50 v1\.5, rebuilt from .*\.pth \(PyTorch checkpoint, sha256 [0-9a-f]{64}\)$/,
    ),
    features: { tensor: 'features', pool: 'none', size: 96 },
    maps: [
      { tensor: 'stage2', stride: 8, channels: 24 },
      { tensor: 'stage3', stride: 16, channels: 48 },
    ],
  });
  expect(imported.found?.prefix).toBe('teacher.backbone.');
  expect(await readdir(join(folder.path, 'bases'))).toEqual([
    'resnet50-small-dino-full.json',
    'resnet50-small-dino-full.onnx',
  ]);
  await using session = await openSession({
    base: 'resnet50-small-dino-full',
    precision: 'auto',
    provider: 'cpu',
    threads: 1,
    storageDirectory: folder.path,
  });
  expect((await session.features(checkImage(64, 64))).length).toBe(96);
  expect(session.facts.maps).toMatchObject([
    { name: 'stage2', channels: 24, height: 8, width: 8 },
    { name: 'stage3', channels: 48, height: 4, width: 4 },
  ]);
  const { text } = await modelsListCommand({
    model: modelSchema.parse({}),
    storage: storageSchema.parse({ directory: folder.path }),
  });
  expect(text).toMatch(
    /^ {2}resnet50-small-dino-full +96 features {2}ResNet50 v1\.5 {2}[\d.]+ × the time of the embedded base {2}licence: Apache-2\.0$/m,
  );
  expect((await refusalOf(importBase(request(path, folder.path)))).code).toBe('base-exists');
});

test('average and maximum of stages 2 and 3, without the later layers', async () => {
  await using folder = await tempFolder();
  const path = placeOf('timm/resnet50d')!;
  const all = await importBase(request(path, folder.path));
  const stages = await importBase(request(path, folder.path, { features: 'stages', name: 'stages' }));
  expect(stages.manifest.features.size).toBe(2 * (16 + 32));
  expect(stages.manifest.licence).toBe('apache-2.0');
  expect(stages.bytes).toBeLessThan(all.bytes);
  const { pools } = await openBase({ base: stages.file, precision: 'auto' });
  expect(pools?.map(({ kind, tensor }) => `${kind} ${tensor}`)).toEqual([
    'average stage2',
    'maximum stage2',
    'average stage3',
    'maximum stage3',
  ]);
});

test('an .onnx with its manifest is checked and copied', async () => {
  await using folder = await tempFolder();
  const path = await writeTiny(folder.path);
  const { manifest, file } = await importBase(
    request(path, folder.path, { name: 'mine', licence: 'MIT', size: undefined }),
  );
  expect(manifest).toMatchObject({ name: 'mine', file: 'mine.onnx', licence: 'MIT' });
  expect((await openBase({ base: file, precision: 'auto' })).manifest.check).toBeDefined();
  const other = await refusalOf(importBase(request(path, folder.path, { name: 'other' })));
  expect(other.message).toContain('has a manifest next to it, which contradicts the options');
  await writeFile(path, 'other bytes');
  expect((await refusalOf(importBase(request(path, folder.path, { name: 'b' })))).code).toBe('model-damaged');
});

test('options of the user replace missing information in the file, and are refused if they are wrong', async () => {
  await using folder = await tempFolder();
  const path = placeOf('torchvision/resnet50-small-dino-full.pth')!;
  const v1 = await importBase(request(path, folder.path, { architecture: 'resnet50-v1', name: 'v1' }));
  expect(v1.found?.network).toBe('ResNet50 v1');
  const wrong = await refusalOf(importBase(request(path, folder.path, { architecture: 'vgg16' })));
  expect(wrong.message).toContain('vgg16 was asked for, but these are the weights of ResNet50 v1.5');
  const onnx = request(path, folder.path, { name: 'c', onnx: { layout: 'NCHW' } });
  expect((await refusalOf(importBase(onnx))).message).toContain('is not an .onnx');
  const small = request(path, folder.path, { name: 'small', size: { width: 32, height: 8 } });
  expect((await importBase(small)).manifest.input).toMatchObject({ width: 32, height: 8 });
});

describe('refused, with a remedy', () => {
  test.each([
    ['refuse-calls-system.pth', '"posix.system"'],
    ['refuse-calls-eval.pth', '"__builtin__.eval"'],
    ['refuse-calls-getpid.pth', '"posix.getpid"'],
    ['refuse-calls-getpid-legacy.pth', '"posix.getpid"'],
  ])('%s', async (name, called) => {
    const error = await refusalOf(openWeights(placeOf(`torchvision/${name}`)!));
    expect(error.code).toBe('weights-unsupported');
    expect(error.message).toBe(
      `${name}: its pickle calls ${called}, which tensors do not need; nothing was executed`,
    );
  });

  test.each([
    ['base.etlt', 'anything', 'encrypted by NVIDIA TAO', 'tao model'],
    ['a.pth', '\x1f\x8b\x08', 'compressed with gzip', 'gunzip a.pth'],
    [
      'b.safetensors',
      'version https://git-lfs.github.com/spec/v1\noid',
      'only points to the file',
      'git lfs pull',
    ],
    ['c.h5', '<!DOCTYPE html><html>', 'a web page', 'log-in'],
    ['d.bin', '\x80\x04\x95', 'none that PyTorch wrote', 'torch.save'],
    ['e.bin', 'noise', 'no known format begins with 6e6f697365', 'docs/bases.md'],
    ['f.bin', '', 'begins with nothing', 'docs/bases.md'],
  ])('%s', async (name, content, message, remedy) => {
    await using folder = await tempFolder();
    await writeFile(join(folder.path, name), Buffer.from(content, 'latin1'));
    const error = await refusalOf(openWeights(join(folder.path, name)));
    expect(error.message).toContain(message);
    expect(error.remedy).toContain(remedy);
  });

  test('a folder with several files, or none', async () => {
    await using folder = await tempFolder();
    expect((await refusalOf(openWeights(folder.path))).message).toContain('no known file of weights');
    for (const name of ['a.pth', 'b.pth']) await writeFile(join(folder.path, name), '');
    expect((await refusalOf(openWeights(folder.path))).message).toContain('a.pth, b.pth');
  });
});

describe('hostile files', () => {
  test('that refer to files in other folders', async () => {
    await using folder = await tempFolder();
    const index = join(folder.path, 'model.safetensors.index.json');
    await writeFile(index, JSON.stringify({ weight_map: { a: '../../etc/passwd' } }));
    expect((await refusalOf(openWeights(index))).message).toContain('not a file in the same folder');
    const model = join(folder.path, 'model.json');
    const manifest = [{ paths: ['/etc/passwd'], weights: [] }];
    await writeFile(model, JSON.stringify({ modelTopology: {}, weightsManifest: manifest }));
    expect((await refusalOf(openWeights(model))).message).toContain('not a file in the same folder');
  });

  test('with tensors larger than the file', async () => {
    await using folder = await tempFolder();
    const file = join(folder.path, 'a.safetensors');
    const header = (shape: number[], offsets: number[]) => {
      const json = Buffer.from(JSON.stringify({ w: { dtype: 'F32', shape, data_offsets: offsets } }));
      const length = Buffer.alloc(8);
      length.writeBigUInt64LE(BigInt(json.length));
      return Buffer.concat([length, json, Buffer.alloc(16)]);
    };
    await writeFile(file, header([4], [0, 16]));
    await using whole = await openWeights(file);
    expect([...(await whole.tensors.get('w')!.read())]).toEqual([0, 0, 0, 0]);
    await writeFile(file, header([2 ** 31, 2 ** 31], [0, 2 ** 40]));
    expect((await refusalOf(openWeights(file))).message).toContain('impossible shape');
    await writeFile(file, header([2 ** 20], [0, 2 ** 22]));
    expect((await refusalOf(openWeights(file))).message).toContain('cut off');
  });

  test('a zip whose list of files is beyond the end', async () => {
    await using folder = await tempFolder();
    const bytes = await readFile(placeOf('keras/vgg16/model.keras')!);
    // Zip64 end of central directory locator: signature, disk, offset, disks.
    const locator = Buffer.alloc(20);
    locator.writeUInt32LE(0x07064b50);
    locator.writeBigUInt64LE(0xffff_ffff_ffff_ff00n, 8);
    const file = join(folder.path, 'a.keras');
    await writeFile(file, Buffer.concat([bytes.subarray(0, -22), locator, bytes.subarray(-22)]));
    expect((await refusalOf(openWeights(file))).message).toMatch(
      /not a complete zip file: it names bytes \d+/,
    );
  });

  test('a network with layers that the rebuilt one does not have', async () => {
    await using folder = await tempFolder();
    const source = placeOf('timm/resnet50d/model.safetensors')!;
    const bytes = await readFile(source);
    const length = Number(bytes.readBigUInt64LE());
    const header = JSON.parse(bytes.subarray(8, 8 + length).toString());
    header['layer1.0.se.fc1.weight'] = header['fc.weight'];
    const json = Buffer.from(JSON.stringify(header));
    const start = Buffer.alloc(8);
    start.writeBigUInt64LE(BigInt(json.length));
    await mkdir(join(folder.path, 'se'));
    const changed = join(folder.path, 'se', 'se.safetensors');
    await writeFile(changed, Buffer.concat([start, json, bytes.subarray(8 + length)]));
    await copyFile(placeOf('timm/resnet50d/config.json')!, join(folder.path, 'se', 'config.json'));
    const error = await refusalOf(importBase(request(changed, folder.path)));
    expect(error.message).toContain('"layer1.0.se.fc1.weight" does not belong to a ResNet50d');
    expect(await readdir(folder.path)).toEqual(['se']);
  });

  test('layers without names are those of a known network, or refused', async () => {
    await using folder = await tempFolder();
    const path = await unpacked('keras/resnet50/keras3.weights.h5', folder.path);
    const { found } = await importBase(request(path, folder.path, { name: 'counted' }));
    expect(found).toMatchObject({ format: 'Keras .weights.h5', network: 'ResNet50 v1', unused: [] });
  });
});
