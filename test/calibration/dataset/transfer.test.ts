import { execFile } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { expect, test } from 'vitest';
import { ZipFile } from 'yazl';
import { indexAnnotations } from '../../../calibration/dataset/annotations.ts';
import { openDataset, readDataset } from '../../../calibration/dataset/dataset.ts';
import { exportDataset } from '../../../calibration/dataset/export.ts';
import type { Shape } from '../../../calibration/dataset/shapes.ts';
import { importImages } from '../../../calibration/import/import.ts';
import { openSource } from '../../../calibration/import/source.ts';
import { tempFolder } from '../../models/temp-folder.ts';

const main = fileURLToPath(new URL('../../../agent/main.js', import.meta.url));
const silent = () => undefined;

function picture(value: number): Promise<Buffer> {
  const create = { width: 8, height: 6, channels: 3, background: { r: value, g: 20, b: 30 } } as const;
  return sharp({ create }).png().toBuffer();
}

async function take(storage: string, path: string) {
  await using source = await openSource(path);
  await using dataset = await openDataset(storage, { onNotice: silent });
  return await importImages(source, dataset, { by: 'import', good: ['good'] });
}

async function zipOf(file: string, fill: (zip: ZipFile) => void): Promise<string> {
  const zip = new ZipFile();
  const written = pipeline(zip.outputStream, createWriteStream(file));
  fill(zip);
  zip.end();
  await written;
  return file;
}

async function imageFolder(folder: string): Promise<void> {
  for (const [label, values] of Object.entries({ good: [1, 2, 3], 'a%2Fb': [4], scratch: [5, 6] })) {
    await mkdir(join(folder, 'train', label), { recursive: true });
    for (const value of values)
      await writeFile(join(folder, 'train', label, `${value}.png`), await picture(value));
  }
}

const box = { kind: 'box', label: 'a/b', x: 0.1, y: 0.2, width: 0.3, height: 0.4 } as const;

for (const target of ['out', 'out.zip']) {
  test(`an export to ${target} can be imported unchanged, with person, time and part`, async () => {
    await using folder = await tempFolder();
    const [first, second] = [join(folder.path, 'first'), join(folder.path, 'second')];
    {
      await using dataset = await openDataset(first, { onNotice: silent });
      const data = new Uint8Array(8 * 6 * 3).map((_, i) => i);
      const image = { width: 8, height: 6, data };
      const facts = { partId: 'A-1', camera: 'top', capturedAt: '2026-11-24T06:00:00.000Z' };
      const marks = { shapes: [box], source: 'test' };
      await dataset.add({ image, label: 'a/b', by: 'anna', at: '2026-11-24T07:00:00.000Z', ...facts, marks });
      await dataset.add({ image: { ...image, data: data.slice().fill(9) }, label: 'good', by: 'ben' });
    }
    const before = await readDataset(first, silent);
    const annotations = await indexAnnotations(first);
    await exportDataset(before, annotations, join(folder.path, target));
    await expect(exportDataset(before, annotations, join(folder.path, target))).rejects.toMatchObject({
      code: 'dataset-target',
    });
    expect(await take(second, join(folder.path, target))).toMatchObject({
      layout: 'export',
      found: 5,
      added: 2,
      relabelled: 0,
      same: 0,
      annotations: 3,
      marked: 1,
      skipped: [],
      notes: [],
    });
    const after = await readDataset(second, silent);
    expect(after.revision).toBe(before.revision);
    const marks = async (storage: string) => {
      const { ids, read } = await indexAnnotations(storage);
      return Promise.all([...ids].map(async (id) => (await read(id))?.shapes));
    };
    expect(await marks(second)).toEqual(await marks(first));
    expect(await marks(second)).toEqual([[box]]);
    const facts = ({ frames }: typeof after) =>
      frames.map(({ file: _, ...rest }) => JSON.stringify(rest)).sort();
    expect(facts(after).map((text) => JSON.parse(text))).toEqual(
      facts(before).map((text) => JSON.parse(text)),
    );
    expect((await readdir(folder.path)).filter((name) => name.endsWith('.draft'))).toEqual([]);
  });
}

test('an export has its marks as COCO JSON for other tools, every kind of shape', async () => {
  await using folder = await tempFolder();
  const [first, second, out] = ['first', 'second', 'out'].map((name) => join(folder.path, name)) as [
    string,
    string,
    string,
  ];
  const raw = Buffer.from(Array.from({ length: 16 * 12 }, (_, i) => (i % 16 > 9 && i < 6 * 16 ? 255 : 0)));
  const png = await sharp(raw, { raw: { width: 16, height: 12, channels: 1 } })
    .png()
    .toBuffer();
  const triangle: [number, number][] = [
    [0.25, 0.25],
    [0.75, 0.25],
    [0.25, 0.75],
  ];
  const shapes: Shape[] = [
    { kind: 'point', label: 'scratch', x: 0.5, y: 0.25 },
    { kind: 'box', label: 'scratch', x: 0.125, y: 0.25, width: 0.5, height: 0.5 },
    { kind: 'polygon', label: 'dent', points: triangle },
    { kind: 'mask', label: 'scratch', png: png.toString('base64') },
  ];
  {
    await using dataset = await openDataset(first, { onNotice: silent });
    const image = (shade: number) => ({
      width: 16,
      height: 12,
      data: new Uint8Array(16 * 12 * 3).fill(shade),
    });
    await dataset.add({ image: image(9), label: 'scratch', by: 'anna', marks: { shapes, source: 'test' } });
    await dataset.add({ image: image(80), label: 'good', by: 'anna' });
  }
  await exportDataset(await readDataset(first, silent), await indexAnnotations(first), out);
  const coco = JSON.parse(await readFile(join(out, 'annotations.coco.json'), 'utf8'));
  expect(coco.images).toHaveLength(2);
  expect(coco.categories.map(({ name }: { name: string }) => name)).toEqual(['scratch', 'dent']);
  expect(coco.annotations).toMatchObject([
    { bbox: [8, 3, 0, 0], keypoints: [8, 3, 2], num_keypoints: 1 },
    { bbox: [2, 3, 8, 6], area: 48 },
    { bbox: [4, 3, 8, 6], area: 24, segmentation: [[4, 3, 12, 3, 4, 9]] },
    { bbox: [10, 0, 6, 6], area: 36, segmentation: { size: [12, 16] } },
  ]);

  // An export of another tool.
  await rm(join(out, 'labels.jsonl'));
  await rm(join(out, 'annotations.jsonl'));
  expect(await take(second, out)).toMatchObject({ layout: 'coco', added: 2, marked: 1, skipped: [] });
  const { ids, read } = await indexAnnotations(second);
  const found = (await read([...ids][0]!))!.shapes;
  expect(found.slice(0, 3)).toEqual(shapes.slice(0, 3));
  const mask = found[3]!;
  expect(mask.kind).toBe('mask');
  if (mask.kind === 'mask') {
    const pixels = await sharp(Buffer.from(mask.png, 'base64')).extractChannel(0).raw().toBuffer();
    expect([...pixels].filter((value) => value > 127)).toHaveLength(36);
    expect(pixels[12]! > 127 && pixels[0]! < 128).toBe(true);
  }
});

test('a failed export is reported and leaves nothing behind', async () => {
  await using folder = await tempFolder();
  await imageFolder(join(folder.path, 'pictures'));
  await take(folder.path, join(folder.path, 'pictures'));
  const dataset = await readDataset(folder.path, silent);
  await rm(dataset.frames[3]!.file);
  for (const target of ['out', 'out.zip']) {
    const annotations = await indexAnnotations(folder.path);
    await expect(exportDataset(dataset, annotations, join(folder.path, target))).rejects.toMatchObject({
      code: 'dataset-write-failed',
      message: expect.stringContaining('ENOENT'),
    });
  }
  expect((await readdir(folder.path)).sort()).toEqual(['dataset', 'pictures']);
});

test('invalid images are skipped, each with its reason, and the others are imported', async () => {
  await using folder = await tempFolder();
  const source = join(folder.path, 'source');
  await imageFolder(source);
  await writeFile(join(source, 'train', 'good', 'broken.png'), 'not a picture');
  await writeFile(join(source, 'train', 'good', 'half.png'), (await picture(9)).subarray(0, 60));
  await writeFile(join(source, 'train', 'good', 'notes.txt'), 'x');
  await writeFile(join(source, 'lonely.png'), await picture(10));
  const create = { width: 20_000, height: 20_000, channels: 3, background: 'black' } as const;
  await sharp({ create, limitInputPixels: false })
    .png()
    .toFile(join(source, 'train', 'good', 'huge.png'));
  await cp(join(source, 'train', 'good', '1.png'), join(source, 'train', 'scratch', 'again.png'));
  const { skipped, ...counts } = await take(folder.path, source);
  expect(counts).toMatchObject({ found: 12, added: 5, relabelled: 0, same: 0 });
  const reasons = Object.fromEntries(skipped.map(({ file, reason }) => [file.split('/').at(-1), reason]));
  expect(reasons).toEqual({
    'broken.png': expect.stringContaining('cannot be read'),
    'half.png': expect.stringContaining('cannot be read'),
    'notes.txt': expect.stringContaining('no image'),
    'lonely.png': expect.stringContaining('no folder that names a label'),
    '1.png': expect.stringContaining('the same image as train/scratch/again.png, which is labelled scratch'),
    'again.png': expect.stringContaining('the same image as train/good/1.png, which is labelled good'),
    'huge.png': expect.stringContaining('million'),
  });
  expect(await take(folder.path, source)).toMatchObject({ added: 0 });
});

test('a zip with ../ in its names is refused, and a billion zeros are skipped', {
  timeout: 120_000,
}, async () => {
  await using folder = await tempFolder();
  const png = await picture(1);
  const evil = await zipOf(join(folder.path, 'evil.zip'), (zip) => zip.addBuffer(png, 'good/ab.png'));
  const bytes = await readFile(evil);
  const renamed = Buffer.from(bytes.toString('latin1').replaceAll('good/ab.png', '../../x.png'), 'latin1');
  await writeFile(evil, renamed);
  await expect(take(folder.path, evil)).rejects.toMatchObject({
    code: 'dataset-source',
    message: expect.stringContaining('../../x.png'),
  });

  const million = Buffer.alloc(1_000_000);
  const zeros = Readable.from(Array.from({ length: 1_000 }, () => million));
  const bomb = await zipOf(join(folder.path, 'bomb.zip'), (zip) => {
    zip.addReadStream(zeros, 'good/zeros.png');
    zip.addBuffer(png, 'good/real.png');
  });
  const before = process.memoryUsage().rss;
  expect(await take(folder.path, bomb)).toMatchObject({
    added: 1,
    skipped: [{ file: 'good/zeros.png', reason: expect.stringContaining('1000 MB') }],
  });
  expect(process.memoryUsage().rss - before).toBeLessThan(300e6);

  await writeFile(join(folder.path, 'half.zip'), (await readFile(bomb)).subarray(0, 500));
  for (const name of ['half.zip', 'nowhere', 'half.png']) {
    await writeFile(join(folder.path, 'half.png'), 'x');
    await expect(take(folder.path, join(folder.path, name))).rejects.toMatchObject({
      code: 'dataset-source',
    });
  }
});

test('the command line imports, counts and exports', async () => {
  await using folder = await tempFolder();
  await imageFolder(join(folder.path, 'pictures'));
  const config = join(folder.path, 'agent.yaml');
  await writeFile(
    config,
    'station: s\ncameras: {top: {url: "rtsp://127.0.0.1/x"}}\nmqtt: {url: "mqtt://127.0.0.1"}\nstorage: {directory: ./data}\n',
  );
  const run = async (...args: string[]) =>
    (await promisify(execFile)(process.execPath, [main, 'dataset', ...args, '--config', config])).stdout;
  expect(await run('stats')).toContain('no labelled frames yet');
  expect(await run('import', join(folder.path, 'pictures'))).toBe(
    [
      'layout: labels from the folders',
      'labels: a/b 1 (defect), good 3 (good), scratch 2 (defect)',
      '6 files found: 6 added, 0 relabelled, 0 already in the dataset, 0 masks and 0 annotation files read, 0 skipped',
      '',
    ].join('\n'),
  );
  expect(await run('stats')).toMatch(
    /^6 labelled frames, revision [0-9a-f]{12}\n {2}a\/b +1\n {2}good +3 {2}good\n/,
  );
  expect(JSON.parse(await run('stats', '--json'))).toMatchObject({
    frames: 6,
    labels: [{ label: 'a/b', count: 1, good: false }, { label: 'good', good: true }, { label: 'scratch' }],
  });
  expect(await run('export', join(folder.path, 'all.zip'))).toContain('6 labelled frames written to');
  await expect(run('import', join(folder.path, 'nowhere'))).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringContaining('there is no file or folder'),
  });
});
