/** Labels from the names of folders. If more than one folder could be the label, nothing is guessed. */
import { QcError } from '../../config/errors.ts';
import { labelOfFolder } from '../../config/label-name.ts';
import { meansGood } from '../dataset/spelling.ts';
import { foldersOf, isContainer, isNumbered } from './folder-names.ts';
import type { Skipped } from './source.ts';

export type LabelFrom = 'parent' | 'top';

export interface FolderLabels {
  /** By the name of the image. */
  readonly labels: ReadonlyMap<string, string>;
  readonly skipped: readonly Skipped[];
}

interface Row {
  readonly name: string;
  /** Folders that could be the label, outermost first. */
  folders: string[];
}

/**
 * @param known labels in use: the level of nested folders at which they occur is that of the labels
 * @param mapped folders that the user has named, which are labels regardless of their names
 * @param from the folder that contains the image (`parent`), or the outermost one (`top`)
 * @throws QcError dataset-layout
 */
export function folderLabels(
  names: readonly string[],
  options: {
    readonly known: ReadonlySet<string>;
    readonly mapped: ReadonlySet<string>;
    readonly from?: LabelFrom | undefined;
  },
): FolderLabels {
  const { known, mapped, from } = options;
  if (from === 'parent') return given(names.map((name) => ({ name, folders: foldersOf(name).slice(-1) })));
  const isLabel = (folder: string) => mapped.has(labelOfFolder(folder)) || !isContainer(folder);
  const rows = names.map((name): Row => ({ name, folders: foldersOf(name).filter(isLabel) }));
  const isSure = (folder: string) => mapped.has(labelOfFolder(folder)) || !isNumbered(folder);
  for (const row of rows) if (row.folders.some(isSure)) row.folders = row.folders.filter(isSure);
  dropShared(rows);
  if (from === 'top') return given(rows.map(({ name, folders }) => ({ name, folders: folders.slice(0, 1) })));
  const unsure = rows.filter(({ folders }) => folders.length > 0 && !folders.some(isSure));
  if (unsure.length > 0) {
    throw new QcError(
      'dataset-layout',
      `the folders ${listed(unsure.map(({ folders }) => folders.at(-1)!))} could be labels or only numbers`,
      { remedy: 'say what they mean: --map 1=scratch for each of them, or --label-from parent' },
    );
  }
  const deep = rows.filter(({ folders }) => folders.length > 1);
  if (deep.length === 0) return given(rows);
  const level = levelOfLabels(
    deep,
    (folder) => known.has(labelOfFolder(folder)) || meansGood(labelOfFolder(folder)),
  );
  if (level === undefined) {
    const example = deep[0]!;
    throw new QcError(
      'dataset-layout',
      `${example.name} lies in ${example.folders.join(' and ')}: either could be its label`,
      {
        remedy: `say which: --label-from top takes ${listed(rows.map(({ folders }) => folders[0]))}; --label-from parent takes ${listed(rows.map(({ folders }) => folders.at(-1)))}`,
      },
    );
  }
  return given(
    rows.map(({ name, folders }) => ({ name, folders: folders.length > 1 ? [folders.at(level)!] : folders })),
  );
}

/** Drops folders around everything, and levels that are the same for all images. */
function dropShared(rows: readonly Row[]): void {
  const inside = rows.filter(({ folders }) => folders.length > 0);
  const same = (level: number) => inside.every(({ folders }) => folders[level] === inside[0]!.folders[level]);
  while (inside.length > 0 && inside.every(({ folders }) => folders.length > 1) && same(0)) {
    for (const { folders } of inside) folders.shift();
  }
  const depth = inside[0]?.folders.length ?? 0;
  if (inside.some(({ folders }) => folders.length !== depth)) return;
  for (let level = depth - 1; level > 0; level--) {
    if (same(level)) for (const { folders } of inside) folders.splice(level, 1);
  }
}

/** The level at which known labels occur; counted from the end if negative. */
function levelOfLabels(rows: readonly Row[], isKnown: (folder: string) => boolean): number | undefined {
  const depth = rows[0]!.folders.length;
  const isEven = rows.every(({ folders }) => folders.length === depth);
  const levels = isEven ? Array.from({ length: depth }, (_, level) => level) : [0, -1];
  const found = levels.filter((level) => rows.some(({ folders }) => isKnown(folders.at(level)!)));
  return found.length === 1 ? found[0] : undefined;
}

function given(rows: readonly Row[]): FolderLabels {
  const labels = new Map<string, string>();
  const skipped: Skipped[] = [];
  for (const { name, folders } of rows) {
    const [folder] = folders;
    if (folder !== undefined) labels.set(name, labelOfFolder(folder));
    else skipped.push({ file: name, reason: 'lies in no folder that names a label' });
  }
  return { labels, skipped };
}

function listed(names: readonly (string | undefined)[]): string {
  const distinct = [...new Set(names.filter((name) => name !== undefined))];
  const shown = distinct.slice(0, 5).join(', ');
  return distinct.length > 5 ? `${shown} and ${distinct.length - 5} more` : shown;
}
