/** Output of `qc-agent dataset export`, or the dataset of another station: labels with authors and marks. */
import { posix } from 'node:path';
import { annotationsName, parseAnnotation } from '../../dataset/annotations.ts';
import { cocoName } from '../../dataset/coco.ts';
import { parseJournal } from '../../dataset/journal.ts';
import type { Shape } from '../../dataset/shapes.ts';
import { apply, type Entry, emptyState } from '../../dataset/state.ts';
import { foldersOf, stemOf } from '../folder-names.ts';
import { createFacts, type Reader } from '../reading.ts';
import { readWhole, type SourceFile } from '../source.ts';

const journalName = 'labels.jsonl';
const frameName = /^[0-9a-f]{64}$/;
const largestFile = 2_000_000_000;

export const readOwnExport: Reader = async ({ source, images }) => {
  const { facts, add } = createFacts('fraction');
  const used = new Set<string>();
  const notes: string[] = [];
  for (const journal of source.files.filter(({ name }) => posix.basename(name) === journalName)) {
    const entries = await entriesIn(journal, notes);
    if (entries.size === 0) continue;
    used.add(journal.name);
    const folder = posix.dirname(journal.name);
    const beside = source.files.find(({ name }) => name === posix.join(folder, annotationsName));
    const marked = beside ? await shapesIn(beside) : new Map<string, readonly Shape[]>();
    if (beside) used.add(beside.name);
    // The same marks for other tools
    const coco = posix.join(folder, cocoName);
    if (source.files.some(({ name }) => name === coco)) used.add(coco);
    for (const image of images) {
      const entry = frameName.test(stemOf(image.name)) ? entries.get(stemOf(image.name)) : undefined;
      if (!entry || posix.join(...foldersOf(image.name).slice(0, -1)) !== folder) continue;
      const { id, label, labelledAt: at, labelledBy: by, ...frame } = entry;
      add(image, { labels: [label], frame: { ...frame, at, by }, kept: marked.get(id) ?? [] });
    }
  }
  if (facts.size === 0) return undefined;
  return { layout: 'export', what: 'export of a dataset', facts, used, notes, missing: new Set() };
};

async function entriesIn(file: SourceFile, notes: string[]): Promise<ReadonlyMap<string, Entry>> {
  const state = emptyState();
  let damaged = 0;
  const bytes = await readWhole(file, largestFile).catch(() => Buffer.alloc(0));
  // A manually edited file may lack the last line break.
  const whole = bytes.at(-1) === 0x0a ? bytes : Buffer.concat([bytes, Buffer.from('\n')]);
  for (const one of parseJournal(whole, () => damaged++).changes) apply(state, one);
  if (damaged > 0 && state.entries.size > 0) notes.push(`${file.name}: damaged lines, left out: ${damaged}`);
  return state.entries;
}

async function shapesIn(file: SourceFile): Promise<ReadonlyMap<string, readonly Shape[]>> {
  const bytes = await readWhole(file, largestFile).catch(() => Buffer.alloc(0));
  const shapes = new Map<string, readonly Shape[]>();
  for (let from = 0; from < bytes.length; ) {
    const newline = bytes.indexOf(0x0a, from);
    const end = newline === -1 ? bytes.length : newline;
    const annotation = parseAnnotation(bytes.toString('utf8', from, end));
    if (annotation) shapes.set(annotation.id, annotation.shapes);
    from = end + 1;
  }
  return shapes;
}
