import { join } from 'node:path';
import sharp from 'sharp';
import { expect, test } from 'vitest';
import { tempFolder } from '../../models/temp-folder.ts';
import {
  type Files,
  images,
  lay,
  maskOf,
  png,
  reasonsOf,
  take,
  takeFiles,
} from '../../rigs/image-folders.ts';

test.each([
  [
    'labels below splits',
    ['train/good/1.png', 'val/good/2.png', 'valid/scratch/3.png', 'test/hole/4.png'],
    'good good hole scratch',
  ],
  [
    'days below labels',
    ['good/2026-11-29/1.png', 'good/2026-11-30/2.png', 'scratch/20261129/3.png'],
    'good good scratch',
  ],
  ['one label with days', ['good/2026-11-29/1.png', 'good/2026-11-30/2.png'], 'good good'],
  ['years, months and days', ['good/2026/11/29/1.png', 'scratch/2026/11/30/2.png'], 'good scratch'],
  ['days above labels', ['2026-11-29/good/1.png', '29.11.2026/scratch/2.png'], 'good scratch'],
  [
    'lots and cameras',
    ['good/lot 7/1.png', 'lot 8/cam2/scratch/2.png', 'scratch/Batch_12/3.png'],
    'good scratch scratch',
  ],
  ['a folder around everything', ['Parts Line 2/good/1.png', 'Parts Line 2/scratch/2.png'], 'good scratch'],
  ['images inside of each label', ['good/images/1.png', 'scratch/Imgs/2.png'], 'good scratch'],
  ['several products', ['bottle/good/1.png', 'bottle/crack/2.png', 'cable/good/3.png'], 'crack good good'],
  [
    'several products below labels',
    ['good/bottle/1.png', 'crack/bottle/2.png', 'crack/cable/3.png'],
    'crack crack good',
  ],
  ['the same folder inside of each label', ['good/rgb/1.png', 'scratch/rgb/2.png'], 'good scratch'],
  [
    'a defect of MVTec AD with the name color',
    ['pill/train/good/1.png', 'pill/test/color/2.png'],
    'color good',
  ],
  ['upper case endings', ['good/1.PNG', 'scratch/2.Png'], 'good scratch'],
])('%s are understood', async (_what, names, labels) => {
  const taken = await takeFiles(await images(...names));
  expect(taken.inDataset.join(' ')).toBe(labels);
  expect(taken.skipped).toEqual([]);
});

test('an ambiguous label leads to a question, and nothing is written', async () => {
  const nested = await images('NG/colour/1.png', 'NG/crack/2.png', 'good/3.png');
  await expect(takeFiles(nested)).rejects.toMatchObject({
    code: 'dataset-layout',
    message: expect.stringContaining('NG/colour/1.png lies in NG and colour'),
    remedy: expect.stringMatching(
      /--label-from top takes NG, good; --label-from parent takes colour, crack, good/,
    ),
  });
  expect((await takeFiles(nested, { labelFrom: 'top' })).inDataset).toEqual(['NG', 'NG', 'good']);
  expect((await takeFiles(nested, { labelFrom: 'parent' })).inDataset).toEqual(['colour', 'crack', 'good']);

  const numbered = await images('0/1.png', '1/2.png');
  await expect(takeFiles(numbered)).rejects.toMatchObject({
    code: 'dataset-layout',
    message: expect.stringContaining('the folders 0, 1 could be labels or only numbers'),
  });
  const map = new Map([
    ['0', 'good'],
    ['1', 'scratch'],
  ]);
  expect((await takeFiles(numbered, { map })).inDataset).toEqual(['good', 'scratch']);
});

test('images outside the folder of a label are skipped with a remedy', async () => {
  const flat = await images('1.png', 'train/2.png', 'images/2026-11-29/3.png');
  const taken = await takeFiles(flat);
  expect(taken).toMatchObject({ added: 0, found: 3 });
  for (const reason of Object.values(reasonsOf(taken)))
    expect(reason).toMatch(/no folder that names a label: --label NAME labels all images/);
  expect((await takeFiles(flat, { label: 'good' })).inDataset).toEqual(['good', 'good', 'good']);
  // A user may choose any name for a label.
  const named = await images('test/1.png', 'good/2.png');
  expect((await takeFiles(named, { map: new Map([['test', 'test']]) })).inDataset).toEqual(['good', 'test']);
});

test('masks are never imported as images, and are stored with their image', async () => {
  const mask = await maskOf(4, 2, 3, 2);
  const cases: Record<string, Files> = {
    'MVTec AD': {
      ...(await images('b/train/good/000.png', 'b/test/good/001.png', 'b/test/scratch/000.png')),
      'b/ground_truth/scratch/000_mask.png': mask,
    },
    'MVTec LOCO: a folder of masks for each image': {
      ...(await images('b/train/good/000.png', 'b/test/scratch/000.png')),
      'b/ground_truth/scratch/000/000.png': mask,
    },
    VisA: {
      ...(await images('c/Data/Images/good/0.png', 'c/Data/Images/scratch/000.png')),
      'c/Data/Masks/scratch/000.png': mask,
    },
    'masks next to the defects': {
      ...(await images('NG/scratch/00.png', 'good/00.png')),
      'mask/scratch/00.png': mask,
    },
    'MVTec 3D-AD: images and masks side by side': {
      ...(await images(
        'b/test/good/rgb/000.png',
        'b/test/scratch/rgb/000.png',
        'b/test/scratch/rgb/001.png',
      )),
      'b/test/scratch/gt/001.png': mask,
    },
    'KolektorSDD: named after the image': {
      ...(await images('good/a.png', 'scratch/b.png')),
      'scratch/b_GT.png': mask,
    },
    'a word for masks in the middle of the name': {
      ...(await images(
        'b/train/good/P_ND_01_1.png',
        'b/test/scratch/P_D_01_1.png',
        'b/test/scratch/P_D_01_2.png',
      )),
      'b/ground_truth/scratch/P_GT_01_1.png': mask,
    },
    'a folder that is named after the label': {
      ...(await images('good/1.png', 'scratch/1.png')),
      'scratch_masks/1.png': mask,
    },
    'two grey values next to an image of the same name': {
      'good/1.jpg': await sharp(await png(1))
        .jpeg()
        .toBuffer(),
      'scratch/Imgs/2.jpg': await sharp(await png(2))
        .jpeg()
        .toBuffer(),
      'scratch/Imgs/2.png': mask,
    },
  };
  for (const [name, files] of Object.entries(cases)) {
    const from = name.startsWith('masks next') ? { labelFrom: 'parent' as const } : {};
    const taken = await takeFiles(files, from);
    expect([name, taken.masks, taken.skipped]).toEqual([name, 1, []]);
    expect([name, ...new Set(taken.inDataset)]).toEqual([name, 'good', 'scratch']);
    expect([name, taken.shapes]).toEqual([
      name,
      [['scratch', [{ kind: 'mask', label: 'scratch', png: expect.any(String) }]]],
    ]);
    const [[, [shape]]] = taken.shapes as unknown as [[string, [{ png: string }]]];
    const mark = sharp(Buffer.from(shape.png, 'base64'));
    expect(await mark.metadata()).toMatchObject({ width: 16, height: 8, channels: 1 });
    const data = await mark.extractChannel(0).raw().toBuffer();
    expect([data[2 * 16 + 4], data[3 * 16 + 6], data[2 * 16 + 3]]).toEqual([255, 255, 0]);
  }
});

test('a mask without its image, an empty mask and a mask in an unnamed folder do no harm', async () => {
  const taken = await takeFiles({
    ...(await images('good/1.png', 'good/2.png', 'scratch/3.png')),
    'ground_truth/scratch/9_mask.png': await maskOf(1, 1, 2, 2),
    'ground_truth/scratch/3_mask.png': await maskOf(0, 0, 0, 0),
    'ground_truth/good/2_mask.png': await maskOf(1, 1, 2, 2),
    'painted/3.png': await maskOf(1, 1, 3, 3),
  });
  expect(taken.inDataset).toEqual(['good', 'scratch']);
  expect(taken.shapes).toEqual([]);
  expect(reasonsOf(taken)).toEqual({
    'ground_truth/scratch/9_mask.png': expect.stringContaining(
      'a mask (by its folder or name) whose image is not there',
    ),
    'good/2.png': 'is labelled good, but its mask marks something',
    'ground_truth/good/2_mask.png': 'a mask whose image is skipped',
    'painted/3.png': expect.stringContaining(
      'two grey values, and the name and size of scratch/3.png: a mask',
    ),
  });
});

test('an image under two labels is skipped in both, and one already in the dataset keeps its label', async () => {
  await using folder = await tempFolder();
  const [a, b] = [await png(1), await png(2)];
  await lay(join(folder.path, 'in'), { 'good/a.png': a, 'scratch/again.png': a, 'good/b.png': b });
  const storage = join(folder.path, 'storage');
  const first = await take(join(folder.path, 'in'), { storage });
  expect(first.inDataset).toEqual(['good']);
  expect(reasonsOf(first)).toEqual({
    'good/a.png': 'the same image as scratch/again.png, which is labelled scratch: delete the wrong one',
    'scratch/again.png': 'the same image as good/a.png, which is labelled good: delete the wrong one',
  });
  await lay(join(folder.path, 'other'), { 'scratch/c.png': b, 'scratch/d.png': a, 'scratch/e.png': a });
  const second = await take(join(folder.path, 'other'), { storage });
  expect(second).toMatchObject({ added: 1, same: 1, inDataset: ['good', 'scratch'] });
  expect(reasonsOf(second)['scratch/c.png']).toMatch(
    /is labelled good in the dataset and scratch here: --relabel/,
  );
  const third = await take(join(folder.path, 'other'), { storage, relabel: true });
  expect(third).toMatchObject({ relabelled: 1, same: 2, inDataset: ['scratch', 'scratch'] });
});
