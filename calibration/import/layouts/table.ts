/** Tables (CSV, TSV): a row for each image or object, with a column of labels, or a column of 0 and 1 for each label. */
import { posix } from 'node:path';
import { QcError } from '../../../config/errors.ts';
import { createFacts, type DocumentReader, type DraftShape, type ReaderInput } from '../reading.ts';
import type { SourceFile } from '../source.ts';

/** Names of the label column, in order of priority. */
const labelHeaders =
  'label labels class classname classlabel category categoryname target defect defecttype defectclass defectname type result verdict choice choices tag quality status state groundtruth annotation klasse fehler fehlerart y'.split(
    ' ',
  );
const sizes = { width: ['width', 'imagewidth'], height: ['height', 'imageheight'] };
const boxes = [
  ['xmin', 'ymin', 'xmax', 'ymax'],
  ['x1', 'y1', 'x2', 'y2'],
  ['left', 'top', 'right', 'bottom'],
];
const maskHeaders = ['mask', 'maskpath', 'maskfile', 'maskfilename'];
const partHeaders = ['part', 'partid', 'serial', 'serialnumber', 'sn'];
/** Columns that are not labels although they may contain 0 and 1. */
const noLabels = ['split', 'set', 'subset', 'fold', 'index', 'width', 'height', 'istrain', 'istest'];
const rowsToTry = 200;

interface Columns {
  readonly rows: readonly (readonly string[])[];
  readonly image: number;
  readonly label: number | undefined;
  /** Columns of 0 and 1 with their labels. */
  readonly flags: readonly (readonly [number, string])[];
  readonly box: readonly number[] | undefined;
  readonly size: readonly [number, number] | undefined;
  readonly mask: number | undefined;
  readonly part: number | undefined;
}

/** @param labelColumn the header named by the user */
export function createTableReader(
  { locator, anyImage }: ReaderInput,
  labelColumn: string | undefined,
): DocumentReader<readonly (readonly string[])[]> {
  const { facts, add } = createFacts('pixel');
  const used = new Set<string>();
  const missing = new Set<string>();
  let problem: QcError | undefined;
  let hasConflict = false;
  const said = new Map<string, { readonly file: string; readonly label: string }>();

  /** Two tables may have different images; if they label an image differently, the user must decide. */
  function compare(file: SourceFile, image: SourceFile, label: string | undefined): void {
    if (label === undefined) return;
    const before = said.get(image.name);
    said.set(image.name, before ?? { file: file.name, label });
    if (!before || before.file === file.name || before.label === label) return;
    hasConflict = true;
    problem = new QcError(
      'dataset-layout',
      `${image.name} is ${before.label} in ${before.file} and ${label} in ${file.name}`,
      { remedy: 'move one of the two tables away, or use --layout folders' },
    );
  }

  return {
    get problem() {
      return problem;
    },
    take(file, content) {
      // Empty answers, not labels.
      if (/submission/i.test(file.name)) return false;
      const folder = posix.dirname(file.name);
      const columns = columnsOf(file, content, (name) => locator.find(name, folder), labelColumn);
      if (columns instanceof QcError) problem ??= columns;
      if (!columns || columns instanceof QcError) return false;
      used.add(file.name);
      for (const row of columns.rows) {
        const written = row[columns.image] ?? '';
        const image = written === '' ? undefined : locator.find(written, folder);
        if (!image) {
          if (written !== '') missing.add(written);
          continue;
        }
        const { labels, shapes, unit, size } = factsOf(row, columns);
        compare(file, image, labels[0]);
        const part = columns.part === undefined ? undefined : row[columns.part];
        const maskName = columns.mask === undefined ? undefined : row[columns.mask];
        const mask = maskName ? anyImage.find(maskName, folder) : undefined;
        add(image, {
          labels: shapes.length > 0 ? [] : labels,
          shapes,
          isEmpty: labels.length === 0,
          ...(unit && { unit }),
          ...(size && { size }),
          ...(part && { frame: { partId: part } }),
          ...(mask && { masks: [mask] }),
        });
      }
      return true;
    },
    finish() {
      if (used.size === 0 || hasConflict) return undefined;
      const what = used.size === 1 ? `table ${[...used][0]}` : `${used.size} tables`;
      return { layout: 'csv', what, facts, used, notes: [], missing };
    },
  };
}

function columnsOf(
  file: SourceFile,
  content: readonly (readonly string[])[],
  find: (name: string) => SourceFile | undefined,
  labelColumn: string | undefined,
): Columns | QcError | undefined {
  const [first = []] = content;
  const hasHeader = !first.some((cell) => cell !== '' && find(cell));
  const rows = hasHeader ? content.slice(1) : content;
  const tried = rows.slice(0, rowsToTry);
  const hits = first.map((_, i) => tried.filter((row) => row[i] && find(row[i])).length);
  const most = Math.max(...hits);
  if (!(most > 0)) return undefined;
  const headers = hasHeader ? first.map(plain) : [];
  const mask = indexOf(headers, maskHeaders);
  // A mask may have the name of its image; the column of the image has priority.
  const image = hits.findIndex((count, i) => count === most && i !== mask);
  const box = boxes.map((names) => names.map((name) => headers.indexOf(name))).find((at) => !at.includes(-1));
  const [width, height] = [indexOf(headers, sizes.width), indexOf(headers, sizes.height)];
  const others = first.map((_, i) => i).filter((i) => i !== image && i !== mask);
  const flags = hasHeader ? flagColumns(first, headers, others, tried) : [];
  const label = labelIndex({ file, first, headers, others, tried, labelColumn, hasFlags: flags.length > 1 });
  if (label instanceof QcError) return label;
  return {
    rows,
    image,
    label,
    flags: label === undefined ? flags : [],
    box,
    size: width !== undefined && height !== undefined ? [width, height] : undefined,
    mask,
    part: indexOf(headers, partHeaders),
  };
}

function labelIndex(of: {
  readonly file: SourceFile;
  readonly first: readonly string[];
  readonly headers: readonly string[];
  readonly others: readonly number[];
  readonly tried: readonly (readonly string[])[];
  readonly labelColumn: string | undefined;
  readonly hasFlags: boolean;
}): number | QcError | undefined {
  const { file, first, headers, others, tried, labelColumn, hasFlags } = of;
  const refuse = (what: string) =>
    new QcError('dataset-layout', `${file.name} ${what}`, {
      remedy: `name the column of the label: --label-column "${first[others[0] ?? 0]}"`,
    });
  if (labelColumn !== undefined) {
    const named = headers.indexOf(plain(labelColumn));
    if (named === -1) return refuse(`has no column ${labelColumn}, only ${first.join(', ')}`);
    return named;
  }
  const known = labelHeaders.map((name) => headers.indexOf(name)).filter((i) => others.includes(i));
  // A class often has a number and a name: the name is used.
  const worded = known.filter((i) => tried.some((row) => /\p{L}/u.test(row[i] ?? '')));
  const found = worded.length > 0 ? worded : known;
  const valuesOf = (i: number) => tried.map((row) => row[i]).join('\n');
  if (found.length > 1 && new Set(found.map(valuesOf)).size > 1)
    return refuse(`has several columns that could be the label: ${found.map((i) => first[i]).join(', ')}`);
  if (found[0] !== undefined) return found[0];
  if (hasFlags) return undefined;
  if (headers.length === 0 && others.length === 1) return others[0];
  return refuse(`names images, but which of its columns holds the label? ${first.join(', ')}`);
}

/** Columns that contain only 0 and 1, with at least one 1. */
function flagColumns(
  first: readonly string[],
  headers: readonly string[],
  others: readonly number[],
  tried: readonly (readonly string[])[],
): [number, string][] {
  const isFlag = (i: number) =>
    !noLabels.includes(headers[i]!) &&
    tried.length > 0 &&
    tried.every((row) => /^(?:[01](?:\.0+)?|true|false)$/i.test(row[i] ?? ''));
  return others.filter(isFlag).map((i) => [i, first[i]!]);
}

function factsOf(row: readonly string[], { label, flags, box, size }: Columns) {
  const labels =
    label === undefined
      ? flags.flatMap(([i, name]) => (/^(?:1|true)/i.test(row[i] ?? '') ? name : []))
      : (row[label] ?? '') === ''
        ? []
        : [row[label]!];
  const [x, y, right, bottom] = box?.map((i) => Number(row[i] || 'none')) ?? [];
  const hasBox = right! > x! && bottom! > y!;
  const shapes: DraftShape[] = hasBox
    ? labels.map((name) => ({
        kind: 'box',
        label: name,
        x: x!,
        y: y!,
        width: right! - x!,
        height: bottom! - y!,
      }))
    : [];
  const [width, height] = size?.map((i) => Number(row[i])) ?? [];
  return {
    labels,
    shapes,
    unit: hasBox && right! <= 1 && bottom! <= 1 ? ('fraction' as const) : undefined,
    size: width! > 0 && height! > 0 ? { width: width!, height: height! } : undefined,
  };
}

const plain = (header: string) => header.toLowerCase().replace(/[^\p{L}\p{N}]/gu, '');
const indexOf = (headers: readonly string[], names: readonly string[]) => {
  const found = names.map((name) => headers.indexOf(name)).find((i) => i !== -1);
  return found;
};
