/**
 * Which files below a storage directory belong together at one moment, while the agent goes on writing. Pictures, versions
 * and bases never change once they are there, so they are taken first; the records that name them (`labels.jsonl`,
 * `active`, …) are small and are taken last, and only count when everything they name has been taken.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { parseJournal } from '../../calibration/dataset/journal.ts';
import { apply, emptyState, undoable } from '../../calibration/dataset/state.ts';

/** A file that never changes, though it may move or go. */
export interface Piece {
  /** The same wherever it lies: pictures are moved when their label changes. */
  readonly key: string;
  /** Below the storage directory, with slashes. */
  readonly path: string;
  readonly bytes: number;
}

export interface Records {
  /** Path to content. */
  readonly files: ReadonlyMap<string, Buffer>;
  /** Keys of the pictures that the labels name, those that an undo may bring back included. */
  readonly pictures: ReadonlySet<string>;
  readonly frames: number;
  readonly active: string | undefined;
}

const pictureName = /^([0-9a-f]{64})\.png$/;
const drafts = /\.draft$|^\.adding-/;

/** Everything that is there now. What disappears while this looks is left out. */
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
/** Files that are written again or added to. */
const recordPaths: readonly string[] = [
  journal,
  'dataset/annotations.jsonl',
  activeRecord,
  'models/decisions.jsonl',
  'recipe.json',
];

/** The records as they are now; of those that are added to, whole lines only. */
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

/** What the records name and nobody has taken yet; empty where they belong together. */
export function missing({ pictures, active }: Records, taken: ReadonlySet<string>): string[] {
  const gone = [...pictures].filter((id) => !taken.has(id));
  const manifest = `models/${active}/manifest.json`;
  return active !== undefined && !taken.has(manifest) ? [...gone, manifest] : gone;
}

/** The version that a piece belongs to; undefined where it is none of a version. */
export const versionOf = (path: string) => /^models\/(\d{4}-\d{2}-\d{2}\.\d+)\//.exec(path)?.[1];

function activeOf(bytes: Buffer | undefined): string | undefined {
  try {
    const { active } = JSON.parse(String(bytes)) as { active?: unknown };
    return typeof active === 'string' ? basename(active) : undefined;
  } catch {
    // An unreadable record is saved as it is; the operator promotes anew.
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
