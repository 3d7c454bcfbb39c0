/**
 * Finds a consistent set of files below a storage directory while the agent keeps writing. Images, versions
 * and bases never change after they are written, so they are saved first; the records that name them (`labels.jsonl`,
 * `active`, …) are small and are saved last, and are valid only if everything they name has been saved.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { parseJournal } from '../../calibration/dataset/journal.ts';
import { apply, emptyState, undoable } from '../../calibration/dataset/state.ts';

/** A file that never changes, although it may be moved or deleted. */
export interface Piece {
  /** Identifies the file wherever it is: images are moved when their label changes. */
  readonly key: string;
  /** Below the storage directory, with slashes. */
  readonly path: string;
  readonly bytes: number;
}

export interface Records {
  /** Path to content. */
  readonly files: ReadonlyMap<string, Buffer>;
  /** Keys of the images that the labels name, including those that an undo may restore. */
  readonly pictures: ReadonlySet<string>;
  readonly frames: number;
  readonly active: string | undefined;
}

const pictureName = /^([0-9a-f]{64})\.png$/;
const drafts = /\.draft$|^\.adding-/;

/** All current files. Files that disappear meanwhile are left out. */
export async function pieces(storage: string): Promise<Piece[]> {
  const found: Piece[] = [];
  for (const folder of await entriesOf(join(storage, 'dataset'))) {
    for (const name of await entriesOf(join(storage, 'dataset', folder))) {
      const id = pictureName.exec(name)?.[1];
      if (id !== undefined) await add(`dataset/${folder}/${name}`, id);
    }
  }
  for (const root of ['models', 'bases']) await walk(root);

  async function walk(folder: string): Promise<void> {
    for (const name of await entriesOf(join(storage, folder))) {
      if (drafts.test(name)) continue;
      const path = `${folder}/${name}`;
      if (await isFolder(join(storage, path))) await walk(path);
      else if (!recordPaths.includes(path)) await add(path, path);
    }
  }
  async function add(path: string, key: string): Promise<void> {
    const size = await stat(join(storage, path)).then(
      (facts) => facts.size,
      () => undefined,
    );
    if (size !== undefined) found.push({ key, path, bytes: size });
  }
  return found;
}

const journal = 'dataset/labels.jsonl';
const activeRecord = 'models/active';
/** Files that are rewritten or appended to. */
const recordPaths: readonly string[] = [
  journal,
  'dataset/annotations.jsonl',
  activeRecord,
  'models/decisions.jsonl',
  'recipe.json',
];

/** The current records; of files that are appended to, complete lines only. */
export async function readRecords(storage: string): Promise<Records> {
  const files = new Map<string, Buffer>();
  for (const path of recordPaths) {
    const bytes = await readFile(join(storage, path)).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (bytes)
      files.set(path, path.endsWith('.jsonl') ? bytes.subarray(0, bytes.lastIndexOf(0x0a) + 1) : bytes);
  }
  const state = emptyState();
  const { changes } = parseJournal(files.get(journal) ?? Buffer.alloc(0), () => undefined);
  for (const one of changes) apply(state, one);
  return {
    files,
    pictures: new Set([...state.entries.keys(), ...undoable(state)]),
    frames: state.entries.size,
    active: activeOf(files.get(activeRecord)),
  };
}

/** Files that the records name and that are not saved yet; empty if the set is consistent. */
export function missing({ pictures, active }: Records, taken: ReadonlySet<string>): string[] {
  const gone = [...pictures].filter((id) => !taken.has(id));
  const manifest = `models/${active}/manifest.json`;
  return active !== undefined && !taken.has(manifest) ? [...gone, manifest] : gone;
}

/** The version of a file; undefined if it does not belong to one. */
export const versionOf = (path: string) => /^models\/(\d{4}-\d{2}-\d{2}\.\d+)\//.exec(path)?.[1];

function activeOf(bytes: Buffer | undefined): string | undefined {
  try {
    const { active } = JSON.parse(String(bytes)) as { active?: unknown };
    return typeof active === 'string' ? basename(active) : undefined;
  } catch {
    // An unreadable record is saved unchanged; the operator promotes again.
    return undefined;
  }
}

async function entriesOf(folder: string): Promise<string[]> {
  return readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return [];
    throw error;
  });
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (facts) => facts.isDirectory(),
    () => false,
  );
}
