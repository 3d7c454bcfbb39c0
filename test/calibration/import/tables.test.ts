import { expect, test } from 'vitest';
import { images, reasonsOf, takeFiles } from '../../rigs/image-folders.ts';
import { box } from './shapes-of-16-by-8.ts';

const rows = (separator: string, ...lines: readonly (readonly string[])[]) =>
  lines.map((line) => line.join(separator)).join('\r\n');

test.each<[string, string | Buffer, string]>([
  ['commas', 'filename,label\na.jpg,good\nb.jpg,scratch\n', 'good scratch'],
  [
    'semicolons and other names',
    rows(';', ['Image Name', 'Klasse'], ['sub/a', 'good'], ['b', 'scratch']),
    'good scratch',
  ],
  [
    'a mark of UTF-8 and quotes',
    '\ufeff"file_name","defect_type"\n"a.jpg","good"\n"b.jpg","scratch, deep"\n',
    'good scratch, deep',
  ],
  [
    'UTF-16 and tabs',
    Buffer.from(
      `\ufeff${rows('\t', ['path', 'category'], ['C:\\x\\a.jpg', 'good'], ['b.jpg', 'Riß'])}`,
      'utf16le',
    ),
    'Riß good',
  ],
  ['Windows-1252', Buffer.from('file;label\na.jpg;good\nb.jpg;Gr\xe4te\n', 'latin1'), 'Gräte good'],
  [
    'names in another case, with signs of URLs',
    'file,label\nSUB\\A.JPG,good\nB.jpg,scratch\n',
    'good scratch',
  ],
  ['no header', 'a.jpg,good\nb.jpg,scratch\n', 'good scratch'],
  [
    'a column for each label (Roboflow)',
    'filename, good, scratch\na.jpg, 1, 0\nb.jpg, 0, 1\n',
    'good scratch',
  ],
  [
    'a number and a name of each class',
    ',file,split,class_id,class_name\n0,a.jpg,train,0,good\n1,b.jpg,test,1,scratch\n',
    'good scratch',
  ],
])('a table with %s', async (_what, table, labels) => {
  const taken = await takeFiles({ ...(await images('sub/a.jpg', 'b.jpg', 'c.jpg')), 'labels.csv': table });
  expect(taken).toMatchObject({ layout: 'csv', annotations: 1 });
  expect(taken.inDataset.join(' ')).toBe(labels);
  expect(reasonsOf(taken)).toEqual({ 'c.jpg': expect.stringContaining('it has no annotation') });
});

test('JSON lines of plain objects are a table', async () => {
  const lines = [
    { file_name: 'train/part #1 50%.png', label: 'good', size: { w: 1 } },
    { file_name: 'train/2.png', label: 'scratch' },
  ];
  const taken = await takeFiles({
    ...(await images('train/part #1 50%.png', 'train/2.png')),
    'metadata.jsonl': lines.map((line) => JSON.stringify(line)).join('\n'),
  });
  expect(taken).toMatchObject({ layout: 'csv', inDataset: ['good', 'scratch'], skipped: [] });
});

test('a table with boxes, masks and parts keeps them', async () => {
  const taken = await takeFiles({
    ...(await images('a.jpg', 'b.jpg')),
    'train.csv': rows(
      ',',
      ['filename', 'width', 'height', 'class', 'xmin', 'ymin', 'xmax', 'ymax', 'serial'],
      ['a.jpg', '16', '8', 'scratch', '4', '2', '6', '6', 'P-1'],
      ['b.jpg', '16', '8', 'good', '', '', '', '', 'P-2'],
      ['gone.jpg', '16', '8', 'good', '', '', '', '', 'P-3'],
    ),
  });
  expect(taken.inDataset).toEqual(['good', 'scratch']);
  expect(taken.shapes).toEqual([['scratch', [box]]]);
  expect(taken.notes).toEqual(['images that the table train.csv names and that are not here: gone.jpg']);
});

test('two tables that disagree lead to a question, unless the folders give the label', async () => {
  const tables = { 'a.csv': 'file,label\na.jpg,good\nb.jpg,scratch\n', 'b.csv': 'file,label\nb.jpg,hole\n' };
  await expect(takeFiles({ ...(await images('a.jpg', 'b.jpg')), ...tables })).rejects.toMatchObject({
    code: 'dataset-layout',
    message: 'b.jpg is scratch in a.csv and hole in b.csv',
  });
  const sorted = await takeFiles({ ...(await images('good/a.jpg', 'hole/b.jpg')), ...tables });
  expect(sorted.inDataset).toEqual(['good', 'hole']);
});

test('a table without a clear label column leads to a question', async () => {
  const files = {
    ...(await images('a.jpg', 'b.jpg')),
    'x.csv': 'datei,befund,linie\na.jpg,good,1\nb.jpg,scratch,2\n',
  };
  await expect(takeFiles(files)).rejects.toMatchObject({
    code: 'dataset-layout',
    message: 'x.csv names images, but which of its columns holds the label? datei, befund, linie',
    remedy: 'name the column of the label: --label-column "befund"',
  });
  expect((await takeFiles(files, { labelColumn: 'Befund' })).inDataset).toEqual(['good', 'scratch']);
  // Labels from folders are sufficient: the table has other content.
  const sorted = { ...(await images('good/a.jpg', 'scratch/b.jpg')), 'x.csv': files['x.csv'] };
  expect((await takeFiles(sorted)).inDataset).toEqual(['good', 'scratch']);
});
