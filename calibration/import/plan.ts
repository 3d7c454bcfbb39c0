/** Turns a source into a list of images with labels; nothing is decoded or written. */
import { posix } from 'node:path';
import { QcError } from '../../config/errors.ts';
import { checkLabelName, normalise } from '../../config/label-name.ts';
import { labelCounts } from '../dataset/label-counts.ts';
import { meansGood, type SpellingIssue, spellingIssues, spellingKey } from '../dataset/spelling.ts';
import { decideLabel } from './decide.ts';
import { type FolderLabels, folderLabels, type LabelFrom } from './folder-labels.ts';
import { isImageName, stemOf } from './folder-names.ts';
import { chooseReading, type LayoutName, readAnnotations } from './layouts.ts';
import { createLocator } from './locate.ts';
import { findMasks } from './masks.ts';
import type { ImageFacts, Reading } from './reading.ts';
import type { Skipped, Source, SourceFile } from './source.ts';

export interface PlanOptions {
  /** `labels.good` of the configuration. */
  readonly good: readonly string[];
  /** Labels of the dataset. */
  readonly existing: readonly string[];
  readonly layout?: LayoutName | undefined;
  readonly labelFrom?: LabelFrom | undefined;
  /** Of a table. */
  readonly labelColumn?: string | undefined;
  /** Of every image. */
  readonly label?: string | undefined;
  /** Of images without any annotation. */
  readonly unannotated?: string | undefined;
  /** Mapping of labels in the source to labels of the dataset. */
  readonly map?: ReadonlyMap<string, string> | undefined;
}

export interface PlannedImage {
  readonly file: SourceFile;
  readonly label: string;
  readonly facts: ImageFacts;
  readonly masks: readonly SourceFile[];
}

export interface Plan {
  readonly layout: LayoutName;
  /** For a person. */
  readonly what: string;
  readonly images: readonly PlannedImage[];
  /** Annotation files that were read. */
  readonly used: readonly string[];
  readonly skipped: readonly Skipped[];
  readonly notes: readonly string[];
  /** Images with the same name in one folder: one may be the mask of the other. */
  readonly twins: readonly (readonly SourceFile[])[];
}

const none: ImageFacts = { labels: [], shapes: [], unit: 'pixel' };

/** @throws QcError dataset-layout, label-ambiguous: the user must decide */
export async function planImport(source: Source, options: PlanOptions): Promise<Plan> {
  const { good, layout, labelColumn } = options;
  const all = source.files.filter(({ name }) => isImageName(name));
  const { images, masks, skipped: lonely, twins } = findMasks(all);
  const input = { source, images, locator: createLocator(images), anyImage: createLocator(all) };
  const { readings, problem } =
    layout === 'folders' ? { readings: [] } : await readAnnotations(input, labelColumn);
  const labels = createLabelNames(options.map ?? new Map());
  if (problem && (labelColumn !== undefined || layout === 'csv')) throw problem;
  const reading = chooseReading(
    readings.map((one) => ({ ...one, facts: labels.ofAll(one.facts) })),
    layout,
    good,
  );
  const names = images.map(({ name }) => name);
  const folders = foldersOf(names, reading, labels.name, options);
  if (problem && !reading && !folders?.labels.size) throw problem;
  const notes = [...(reading?.notes ?? []), ...missingNotes(readings), ...(problem ? [problem.message] : [])];

  const planned: PlannedImage[] = [];
  const skipped: Skipped[] = [...lonely];
  const maskFiles = new Set(
    [...masks.values(), ...[...(reading?.facts.values() ?? [])].map((facts) => facts.masks ?? [])]
      .flat()
      .map(({ name }) => name),
  );
  let largest = 0;
  for (const file of images) {
    if (maskFiles.has(file.name)) continue;
    const facts = reading?.facts.get(file.name) ?? none;
    const folder = folders?.labels.get(file.name);
    const decided = decideLabel(facts, {
      good,
      unannotated: options.unannotated,
      fallback: folder,
    });
    const all = options.label === undefined ? undefined : labels.name(options.label);
    const label = all ?? (options.labelFrom === undefined ? undefined : folder) ?? decided.label;
    const reason = label === undefined ? reasonOf(decided.reason, reading) : invalid(label);
    if (reason !== undefined) skipped.push({ file: file.name, reason });
    else {
      if (decided.isLargest) largest++;
      const own = facts.masks ?? masks.get(file.name) ?? [];
      planned.push({ file, label: checkLabelName(label!), facts: withPart(file, facts), masks: own });
    }
  }
  if (largest > 0)
    notes.push(`images with several kinds of defects, labelled by the one with the largest area: ${largest}`);
  notes.push(...labels.notes(), ...requireSpelling(planned, options, reading?.layout === 'export'));

  const used = reading ? [...reading.used] : [];
  const taken = new Set([...used, ...names, ...all.map(({ name }) => name)]);
  for (const { name } of source.files)
    if (!taken.has(name)) skipped.push({ file: name, reason: otherReason(name) });
  return {
    layout: reading?.layout ?? 'folders',
    what: whatOf(reading, folders, options, maskFiles.size),
    images: planned,
    used,
    skipped: [...source.skipped, ...skipped, ...unattached(planned, masks, skipped)],
    notes,
    twins,
  };
}

/** Undefined if the annotations contain all labels. @throws QcError dataset-layout */
function foldersOf(
  names: readonly string[],
  reading: Reading | undefined,
  nameOf: (folder: string) => string,
  { good, existing, layout, labelFrom: from, label, map = new Map() }: PlanOptions,
): FolderLabels | undefined {
  if (label !== undefined) return undefined;
  const named = ({ labels, skipped }: FolderLabels): FolderLabels => ({
    labels: new Map(Array.from(labels, ([name, folder]) => [name, nameOf(folder)])),
    skipped,
  });
  const known = new Set([...good, ...existing, ...map.values()]);
  const mapped = new Set(map.keys());
  if (!reading) return named(folderLabels(names, { known, mapped, from }));
  if (layout !== undefined && from === undefined) return undefined;
  if (from !== undefined) return named(folderLabels(names, { known, mapped, from }));
  let found: FolderLabels;
  try {
    found = named(folderLabels(names, { known, mapped }));
  } catch (error) {
    if (error instanceof QcError) return undefined;
    throw error;
  }
  const decided = new Map(
    [...reading.facts].map(([name, facts]) => [name, decideLabel(facts, { good }).label] as const),
  );
  const distinct = new Set(found.labels.values());
  const said = new Set(decided.values());
  const areLabels = [...distinct].some((one) => known.has(one) || said.has(one) || meansGood(one));
  if (!areLabels) return undefined;
  for (const [name, folder] of found.labels) {
    const other = decided.get(name);
    if (other === undefined || spellingKey(other) === spellingKey(folder)) continue;
    throw new QcError(
      'dataset-layout',
      `${name} is ${folder} by its folder and ${other} according to ${reading.what}`,
      {
        remedy: `say which counts: --label-from parent (what is marked is kept) or --layout ${reading.layout}`,
      },
    );
  }
  return found;
}

/** Normalises labels: mapped, trimmed, in one Unicode form; merged spellings are reported. */
function createLabelNames(map: ReadonlyMap<string, string>) {
  const targets = new Map([...map].map(([from, to]) => [normalise(from), normalise(to)]));
  const unused = new Set(targets.keys());
  const written = new Map<string, Set<string>>();
  const name = (text: string): string => {
    const key = normalise(text);
    unused.delete(key);
    const target = targets.get(key);
    if (target !== undefined) return target;
    written.set(key, (written.get(key) ?? new Set()).add(text));
    return key;
  };
  return {
    name,
    ofAll: (facts: Reading['facts']): Reading['facts'] =>
      new Map(
        Array.from(facts, ([image, one]) => {
          const shapes = one.shapes.map((shape) => ({ ...shape, label: name(shape.label) }));
          return [image, { ...one, labels: one.labels.map(name), shapes }];
        }),
      ),
    notes: () => [
      ...[...written].flatMap(([label, texts]) =>
        texts.size > 1
          ? `${[...texts]
              .sort()
              .map((text) => JSON.stringify(text))
              .join(' and ')} differ in white space or Unicode form only: one label, ${label}`
          : [],
      ),
      ...[...unused].map((key) => `--map ${key}=…: there is no such label here`),
    ],
  };
}

/** @returns notes that do not stop the import. @throws QcError label-ambiguous */
function requireSpelling(
  planned: readonly PlannedImage[],
  { good, existing, map = new Map() }: PlanOptions,
  isOwn: boolean,
): string[] {
  const counts = labelCounts(planned.map(({ label }) => label));
  const issues = spellingIssues(counts, { good, existing, confirmed: new Set(map.values()) });
  // An existing label such as 7 in the dataset is accepted.
  const asked = (kind: SpellingIssue['kind']) => kind !== 'typo' && !(kind === 'unclear' && isOwn);
  const stops = issues.filter(({ kind }) => asked(kind));
  if (stops.length > 0) {
    throw new QcError('label-ambiguous', stops.map(({ text }) => text).join('; '), {
      remedy: `nothing was imported; map the labels: ${stops.map((issue) => mapping(issue)).join(' ')} (the same name on both sides keeps a label, unless it differs only in case)`,
    });
  }
  const hasGood = [...counts.keys(), ...existing].some((label) => good.includes(label));
  return [
    ...issues.filter(({ kind }) => kind === 'typo').map(({ text }) => `${text}; merge them with --map`),
    ...(hasGood || counts.size === 0
      ? []
      : [
          `no label here or in the dataset means good (labels.good: ${good.join(', ')}): all count as defects`,
        ]),
  ];
}

function mapping({ kind, label, other }: SpellingIssue): string {
  const target = kind === 'unclear' ? 'NAME' : (other ?? label);
  const quoted = (text: string) => (/^[\w-]+$/.test(text) ? text : JSON.stringify(text));
  return `--map ${quoted(label)}=${quoted(target)}`;
}

function invalid(label: string): string | undefined {
  try {
    checkLabelName(label);
    return undefined;
  } catch (error) {
    return `${(error as Error).message}: --map gives it another name`;
  }
}

function reasonOf(reason: string | undefined, reading: Reading | undefined): string {
  if (reading && reason !== undefined) return reason;
  return 'lies in no folder that names a label: --label NAME labels all images, --label-from parent takes any folder';
}

/** Roboflow writes several augmented copies of one image: they must not be on both sides of a split. */
function withPart(file: SourceFile, facts: ImageFacts): ImageFacts {
  const original = /^(.+)\.rf\.[0-9A-Za-z]+$/.exec(stemOf(file.name))?.[1];
  if (original === undefined || facts.frame?.partId !== undefined) return facts;
  return { ...facts, frame: { ...facts.frame, partId: original } };
}

function missingNotes(readings: readonly Reading[]): string[] {
  return readings.flatMap(({ missing, what }) => {
    if (missing.size === 0) return [];
    const some = [...missing].slice(0, 3).join(', ');
    const more = missing.size > 3 ? ` and ${missing.size - 3} more` : '';
    return `images that the ${what} names and that are not here: ${some}${more}`;
  });
}

/** Masks of images that are skipped themselves. */
function unattached(
  planned: readonly PlannedImage[],
  masks: ReadonlyMap<string, readonly SourceFile[]>,
  skipped: readonly Skipped[],
): Skipped[] {
  const attached = new Set(planned.flatMap((one) => one.masks.map(({ name }) => name)));
  const told = new Set(skipped.map(({ file }) => file));
  return [...masks.values()]
    .flat()
    .filter(({ name }) => !attached.has(name) && !told.has(name))
    .map(({ name }) => ({ file: name, reason: 'a mask whose image is skipped' }));
}

function whatOf(
  reading: Reading | undefined,
  folders: FolderLabels | undefined,
  { label, labelFrom }: PlanOptions,
  masks: number,
): string {
  const parts = [
    ...(reading ? [reading.what] : []),
    ...(label !== undefined ? [`every image labelled ${label}`] : []),
    ...(folders?.labels.size
      ? [labelFrom ? `labels from the folders (${labelFrom})` : 'labels from the folders']
      : []),
    ...(masks > 0 ? [`${masks} masks next to the images`] : []),
  ];
  return parts.join(', ');
}

function otherReason(name: string): string {
  const ending = posix.extname(name).toLowerCase();
  if (/^\.(?:zip|7z|rar|tar|gz|tgz)$/.test(ending)) return 'an archive inside: unpack it first';
  if (/^\.(?:json|xml|csv|tsv|ya?ml|txt|xlsx?)$/.test(ending))
    return 'no image, and no annotations that are read';
  return 'no image';
}
