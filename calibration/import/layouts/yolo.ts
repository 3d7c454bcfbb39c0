/** YOLO: a text file for each image, a line for each object: class, then a box or a polygon in fractions. */
import { posix } from 'node:path';
import { z } from 'zod';
import { check } from '../../../config/check.ts';
import { readJson, readYaml } from '../documents.ts';
import { stemOf } from '../folder-names.ts';
import { indexBy } from '../locate.ts';
import { createFacts, type DraftShape, type Reader } from '../reading.ts';
import { readWhole, type SourceFile } from '../source.ts';
import { pairs } from './coco.ts';

const largestText = 10_000_000;
const name = z.union([z.string(), z.number(), z.boolean()]).transform(String);
const yamlSchema = z.object({
  names: z.union([z.array(name), z.record(z.string(), name)]),
  kpt_shape: z.array(z.number()).optional(),
});
const notesSchema = z.object({ categories: z.array(z.object({ id: z.number(), name: z.string() })) });
const notLabels =
  /^(?:classes|labels|obj|predefined_classes|readme.*|license.*|train|val|valid|test|requirements|notes)$/i;

interface Classes {
  readonly folder: string;
  readonly names: ReadonlyMap<string, string>;
  /** Values after a box are key points, not a polygon. */
  readonly hasKeyPoints: boolean;
}

export const readYolo: Reader = async ({ source, images }) => {
  const texts = source.files.filter(
    (file) => posix.extname(file.name).toLowerCase() === '.txt' && !notLabels.test(stemOf(file.name)),
  );
  if (texts.length === 0) return undefined;
  const byPath = new Map(texts.map((file) => [file.name, file]));
  const byStem = indexBy(texts, (file) => stemOf(file.name));
  const { facts, add } = createFacts('fraction');
  const used = new Set<string>();
  const known = await classesOf(source.files, used);
  const unknown = new Set<string>();
  let badLines = 0;
  for (const image of images) {
    const file = labelFileOf(image, byPath, byStem);
    const lines = file && (await linesOf(file));
    if (!lines) continue;
    used.add(file.name);
    const classes = nearest(known, image.name);
    const shapes: DraftShape[] = [];
    for (const values of lines.map(numbersOf)) {
      const index = String(values?.[0]);
      const label = classes?.names.get(index) ?? index;
      const shape = values && shapeOf(values, label, classes?.hasKeyPoints ?? false);
      if (shape) shapes.push(shape);
      else badLines++;
      if (shape && !classes?.names.has(index)) unknown.add(index);
    }
    add(image, { shapes, isEmpty: lines.length === 0 });
  }
  const shapeCount = [...facts.values()].reduce((sum, { shapes }) => sum + shapes.length, 0);
  if (shapeCount === 0) return undefined;
  const notes = [
    ...(unknown.size > 0 ? [`no data.yaml or classes.txt names the classes ${[...unknown].join(', ')}`] : []),
    ...(badLines > 0 ? [`lines that are neither a box nor a polygon, left out: ${badLines}`] : []),
  ];
  return { layout: 'yolo', what: 'YOLO label files', facts, used, notes, missing: new Set() };
};

async function classesOf(files: readonly SourceFile[], used: Set<string>): Promise<Classes[]> {
  const found: Classes[] = [];
  for (const file of files) {
    const names = await namesOf(file);
    if (!names) continue;
    used.add(file.name);
    found.push({ folder: posix.dirname(file.name), ...names });
  }
  return found;
}

async function namesOf(file: SourceFile): Promise<Omit<Classes, 'folder'> | undefined> {
  const base = posix.basename(file.name).toLowerCase();
  if (/\.ya?ml$/.test(base)) {
    const parsed = check(yamlSchema, await readYaml(file));
    if (!parsed.success) return undefined;
    return {
      names: new Map(Object.entries(parsed.data.names)),
      hasKeyPoints: parsed.data.kpt_shape !== undefined,
    };
  }
  if (base === 'notes.json') {
    const parsed = check(notesSchema, await readJson(file));
    if (!parsed.success) return undefined;
    return {
      names: new Map(parsed.data.categories.map((one) => [String(one.id), one.name])),
      hasKeyPoints: false,
    };
  }
  if (base !== 'classes.txt' && base !== 'predefined_classes.txt' && !base.endsWith('.names'))
    return undefined;
  const lines = await linesOf(file);
  return lines && { names: new Map(lines.map((line, i) => [String(i), line])), hasKeyPoints: false };
}

function nearest(known: readonly Classes[], image: string): Classes | undefined {
  const above = known.filter(({ folder }) => folder === '.' || image.startsWith(`${folder}/`));
  return above.sort((a, b) => b.folder.length - a.folder.length)[0] ?? known[0];
}

/** `images/train/a.jpg` has `labels/train/a.txt`; or the text is next to the image, or in any folder with the same name. */
function labelFileOf(
  image: SourceFile,
  byPath: ReadonlyMap<string, SourceFile>,
  byStem: ReadonlyMap<string, readonly SourceFile[]>,
): SourceFile | undefined {
  const folders = posix.dirname(image.name).split('/');
  const at = folders.lastIndexOf('images');
  const text = `${stemOf(image.name)}.txt`;
  if (at !== -1) {
    const found = byPath.get(posix.join(...folders.with(at, 'labels'), text));
    if (found) return found;
  }
  const beside = byPath.get(posix.join(...folders, text));
  const named = byStem.get(stemOf(image.name).normalize('NFC'));
  return beside ?? (named?.length === 1 ? named[0] : undefined);
}

async function linesOf(file: SourceFile): Promise<string[] | undefined> {
  if (file.bytes === 0) return [];
  const text = await readWhole(file, largestText).then(String, () => undefined);
  return text
    ?.replace(/^\ufeff/, '')
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

function numbersOf(line: string): number[] | undefined {
  const values = line.split(/[\s,]+/).map(Number);
  return values.every((value) => Number.isFinite(value)) && Number.isInteger(values[0]) ? values : undefined;
}

function shapeOf(values: readonly number[], label: string, hasKeyPoints: boolean): DraftShape | undefined {
  const rest = values.slice(1);
  if (rest.length < 4 || rest.some((value) => value < -0.5 || value > 1.5)) return undefined;
  // A sixth value is the confidence of a model.
  if (hasKeyPoints || rest.length === 4 || rest.length === 5) {
    const [x, y, width, height] = rest as [number, number, number, number];
    return { kind: 'box', label, x: x - width / 2, y: y - height / 2, width, height };
  }
  return rest.length % 2 === 0 ? { kind: 'polygon', label, points: pairs(rest) } : undefined;
}
