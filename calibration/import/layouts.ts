/** Finds the annotations of a source. */
import { posix } from 'node:path';
import { QcError } from '../../config/errors.ts';
import { decideLabel } from './decide.ts';
import { type Element, readJson, readJsonLines, readTable, readXml } from './documents.ts';
import { createCocoReader } from './layouts/coco.ts';
import { createCvatReader } from './layouts/cvat.ts';
import { createLabelStudioReader } from './layouts/label-studio.ts';
import { createLabelmeReader } from './layouts/labelme.ts';
import { readOwnExport } from './layouts/own-export.ts';
import { createTableReader } from './layouts/table.ts';
import { createViaReader } from './layouts/via.ts';
import { createVocReader } from './layouts/voc.ts';
import { readYolo } from './layouts/yolo.ts';
import type { DocumentReader, ReaderInput, Reading } from './reading.ts';
import type { SourceFile } from './source.ts';

export const layoutNames = [
  'folders',
  'export',
  'coco',
  'yolo',
  'voc',
  'cvat',
  'label-studio',
  'labelme',
  'via',
  'csv',
] as const;
export type LayoutName = (typeof layoutNames)[number];

/** Reads all recognised annotations; images are not decoded. */
export async function readAnnotations(
  input: ReaderInput,
  labelColumn: string | undefined,
): Promise<{ readonly readings: readonly Reading[]; readonly problem?: QcError | undefined }> {
  const own = await readOwnExport(input);
  if (own) return { readings: [own] };
  const json = [
    createCocoReader(input),
    createLabelStudioReader(input),
    createLabelmeReader(input),
    createViaReader(input),
  ];
  const xml = [createCvatReader(input), createVocReader(input)];
  const table = [createTableReader(input, labelColumn)];
  const { files } = input.source;
  await offer<unknown>(files, ['.json'], readJson, json);
  await offer<Element>(files, ['.xml'], readXml, xml);
  await offer<readonly (readonly string[])[]>(files, ['.csv', '.tsv'], readTable, table);
  await offer<readonly (readonly string[])[]>(files, ['.jsonl'], readJsonLines, table);
  const yolo = await readYolo(input);
  const found = [yolo, ...[...json, ...xml, ...table].map((reader) => reader.finish())];
  return {
    readings: found.filter((reading) => reading !== undefined),
    problem: table.find((reader) => reader.problem !== undefined)?.problem,
  };
}

/** Parses each file once; the first reader that accepts it gets it. */
async function offer<T>(
  files: readonly SourceFile[],
  endings: readonly string[],
  read: (file: SourceFile) => Promise<T | undefined>,
  readers: readonly DocumentReader<T>[],
): Promise<void> {
  for (const file of files) {
    if (!endings.includes(posix.extname(file.name).toLowerCase())) continue;
    const content = await read(file);
    if (content !== undefined) readers.some((reader) => reader.take(file, content));
  }
}

/**
 * Chooses the annotations to use. There may be several if they agree.
 * @throws QcError dataset-layout
 */
export function chooseReading(
  readings: readonly Reading[],
  layout: LayoutName | undefined,
  good: readonly string[],
): Reading | undefined {
  if (layout === 'folders') return undefined;
  if (layout !== undefined) {
    const named = readings.find((one) => one.layout === layout);
    if (named) return named;
    const there = ['folders', ...readings.map((one) => one.layout)].join(', ');
    throw new QcError('dataset-layout', `there are no annotations of layout ${layout} here`, {
      remedy: `use one of what was found: ${there}`,
    });
  }
  const [first, ...others] = readings
    .filter(({ facts }) => facts.size > 0)
    .sort((a, b) => shapesIn(b) - shapesIn(a) || b.facts.size - a.facts.size);
  for (const other of others) {
    for (const [name, facts] of other.facts) {
      const before = first!.facts.get(name);
      if (!before) continue;
      const [one, two] = [decideLabel(before, { good }).label, decideLabel(facts, { good }).label];
      if (one === two || one === undefined || two === undefined) continue;
      throw new QcError(
        'dataset-layout',
        `${name} is ${one} according to ${first!.what} and ${two} according to ${other.what}`,
        { remedy: `say which counts: --layout ${first!.layout} or --layout ${other.layout}` },
      );
    }
  }
  return first;
}

const shapesIn = ({ facts }: Reading) =>
  [...facts.values()].reduce((sum, { shapes }) => sum + shapes.length, 0);
