import { join } from 'node:path';
import { expect, test } from 'vitest';
import { spellingIssues } from '../../../calibration/dataset/spelling.ts';
import { tempFolder } from '../../models/temp-folder.ts';
import { images, lay, take } from '../../rigs/image-folders.ts';

const kindsOf = (labels: readonly string[], good = ['good'], existing: readonly string[] = []) =>
  spellingIssues(new Map(labels.map((label) => [label, 3])), { good, existing }).map(
    ({ kind, label, other }) => `${kind} ${label}${other === undefined ? '' : ` → ${other}`}`,
  );

test.each([
  [['Good'], ['spelling Good → good']],
  [['GOOD', 'scratch'], ['spelling GOOD → good']],
  [['Missing Screw', 'missing screw'], ['spelling missing screw → Missing Screw']],
  [['missing_screw', 'missing-screw', 'scratch'], ['spelling missing_screw → missing-screw']],
  [['MissingScrew', 'missing screw'], ['spelling missing screw → MissingScrew']],
  [['ｇｏｏｄ'], ['spelling ｇｏｏｄ → good']],
  [['OK', 'NG'], ['means-good OK → good']],
  [
    ['OK', 'ok'],
    ['means-good OK → good', 'spelling ok → good'],
  ],
  [
    ['normal', 'no defect', 'i.O.'],
    ['means-good normal → good', 'means-good no defect → good', 'means-good i.O. → good'],
  ],
  [['ok_front', 'def_front'], ['means-good ok_front → good']],
  [['not good', 'not_ok', 'nok', 'abnormal', 'book'], []],
  [['ok_front', 'def_front'], ['means-good ok_front → good']],
  [['not good', 'not_ok', 'nok', 'abnormal', 'book'], []],
  [
    ['0', '1'],
    ['unclear 0', 'unclear 1'],
  ],
  [
    ['true', 'n/a'],
    ['unclear true', 'unclear n/a'],
  ],
  [['goood', 'scratch'], ['typo goood → good']],
  [['gpod'], ['typo gpod → good']],
  [
    ['scartch', 'scratch'],
    ['typo scartch → scratch', 'typo scratch → scartch'],
  ],
  [['good', 'scratch', 'hole'], []],
  [['type A', 'type B', 'scratch1', 'scratch2', 'dent', 'bent lead'], []],
])('%j: %j', (labels, issues) => {
  expect(kindsOf(labels)).toEqual(issues);
});

test('a label of the dataset is a known label', () => {
  expect(kindsOf(['Missing Screw'], ['good'], ['missing_screw'])).toEqual([
    'spelling Missing Screw → missing_screw',
  ]);
  expect(kindsOf(['OK', 'ok'], ['OK', 'ok'])).toEqual([]);
  expect(kindsOf(['7'], ['good'], ['7'])).toEqual([]);
});

test('an import is refused before anything is written, and --map decides', async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, 'in');
  await lay(
    path,
    await images(
      'OK/1.png',
      'ok/2.png',
      'NG/3.png',
      'NG /4.png',
      'Missing_Screw/5.png',
      'missing screw/6.png',
      'goood/7.png',
    ),
  );
  const storage = join(folder.path, 'storage');
  await expect(take(path, { storage })).rejects.toMatchObject({
    code: 'label-ambiguous',
    message: expect.stringContaining('"OK" (1 image) would be a defect: labels.good names "good"'),
    remedy: expect.stringMatching(/--map OK=good --map "missing screw"=Missing_Screw --map ok=good/),
  });
  const map = new Map([
    ['OK', 'good'],
    ['ok', 'good'],
    ['missing screw', 'missing screw'],
  ]);
  const taken = await take(path, { storage, map });
  expect(taken.labels).toEqual([
    { label: 'Missing_Screw', count: 1, good: false },
    { label: 'NG', count: 2, good: false },
    { label: 'good', count: 2, good: true },
    { label: 'goood', count: 1, good: false },
    { label: 'missing screw', count: 1, good: false },
  ]);
  expect(taken.notes).toEqual([
    '"NG" and "NG " differ in white space or Unicode form only: one label, NG',
    '"goood" (1 image) is similar to "good", which means good: it counts as a separate defect; merge them with --map',
  ]);
  const unused = await take(path, { storage, map: new Map([...map, ['Okay', 'good']]) });
  expect(unused.notes).toContain('--map Okay=…: there is no such label here');
});
