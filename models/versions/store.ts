/**
 * Head versions on disk: `<storage>/models/<version>/{manifest.json, head.onnx}`, and in `<storage>/models/active`
 * which of them is live and which were before. Every change is atomic and durable. One process writes.
 */
import { createHash } from 'node:crypto';
import { copyFile, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { QcError } from '../../config/errors.ts';
import { sealed, unsealed } from '../disk/checksum.ts';
import { syncFile, syncFolder, writeDurably } from '../disk/durable.ts';
import { makeFolders } from '../disk/folders.ts';
import { type HeadManifest, manifestText, readHeadManifest } from '../manifest.ts';

const activeSchema = z.strictObject({
  schema: z.literal([1, 2]),
  active: z.string(),
  /** What was active before, oldest first; rolling back takes the last. */
  history: z.array(z.string()).max(1_000),
});
type Active = Omit<z.output<typeof activeSchema>, 'schema'>;

/** A version that was read and is whole. */
export interface HeadVersion {
  readonly version: string;
  readonly manifest: HeadManifest;
  /** The bytes of head.onnx; their hash is that of the manifest. */
  readonly model: Uint8Array;
}

/** A version as it is listed: whole, or why it cannot be used. */
export type ListedVersion =
  | { readonly version: string; readonly active: boolean; readonly manifest: HeadManifest }
  | { readonly version: string; readonly active: boolean; readonly damage: string };

export interface Store {
  /** All versions, oldest first. */
  list(): Promise<ListedVersion[]>;
  /** The live version; undefined while no head was ever promoted. Throws `head-damaged` where `active` is unreadable. */
  active(): Promise<string | undefined>;
  /** Versions that were live before the active one, newest first. */
  history(): Promise<string[]>;
  /** Throws `version-unknown` or `head-damaged`. */
  read(version: string): Promise<HeadVersion>;
  /** What report.json of a version says; undefined where it has none that can be read. */
  report(version: string): Promise<unknown>;
  /** Copies a folder with manifest.json and head.onnx (and report.json, where there is one) in, names it after the day it was made and returns the name. */
  add(folder: string): Promise<string>;
  /** Makes a version the live one; a damaged one is refused and the present one stays. */
  promote(version: string): Promise<void>;
  /** Gives what was written without a checksum one. @returns the files; damaged ones are left as they are */
  seal(): Promise<string[]>;
  /** Makes the version live that was before this one; returns its name. */
  rollback(): Promise<string>;
}

/** How a version was judged before it was offered; may be missing. */
const reportFile = 'report.json';
const versionName = /^(\d{4}-\d{2}-\d{2})\.(\d+)$/;

/** Opens the versions below the storage directory. What is missing is made when the first version comes. */
export async function openStore(storageDirectory: string): Promise<Store> {
  const folder = join(storageDirectory, 'models');
  const activeFile = join(folder, 'active');

  async function names(): Promise<string[]> {
    const entries = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw unreadable(folder, error);
    });
    const found = entries.filter((name) => versionName.test(name));
    const key = (name: string) => name.replace(versionName, (_, day, n) => `${day}.${n.padStart(9, '0')}`);
    return found.sort((a, b) => (key(a) < key(b) ? -1 : 1));
  }

  async function readActive(): Promise<z.output<typeof activeSchema> | undefined> {
    let text: string;
    try {
      text = await readFile(activeFile, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw unreadable(activeFile, error);
    }
    try {
      return activeSchema.parse(unsealed(JSON.parse(text)));
    } catch (cause) {
      throw new QcError('head-damaged', `${activeFile} does not say which version is active`, {
        remedy: 'promote a version again (qc-agent models promote)',
        cause,
      });
    }
  }

  function writeActive(content: Active): Promise<void> {
    return writeDurably(activeFile, `${JSON.stringify(sealed(content))}\n`);
  }

  async function read(version: string): Promise<HeadVersion> {
    const place = join(folder, version);
    if (!versionName.test(version) || !(await names()).includes(version)) {
      throw new QcError('version-unknown', `there is no version "${version}" in ${folder}`);
    }
    return readFolder(place, version);
  }

  async function promote(version: string): Promise<void> {
    await read(version);
    // An unreadable record must not keep the operator from choosing anew.
    const before = await readActive().catch(() => undefined);
    if (before?.active === version) return;
    const history = before ? [...before.history, before.active].slice(-1_000) : [];
    await writeActive({ active: version, history });
  }

  return {
    read,
    promote,
    async report(version) {
      if (!versionName.test(version)) return undefined;
      try {
        return JSON.parse(await readFile(join(folder, version, reportFile), 'utf8'));
      } catch {
        return undefined;
      }
    },
    active: async () => (await readActive())?.active,
    history: async () => (await readActive())?.history.toReversed() ?? [],
    async list() {
      const active = (await readActive().catch(() => undefined))?.active;
      return Promise.all(
        (await names()).map(async (version): Promise<ListedVersion> => {
          const common = { version, active: version === active };
          try {
            return { ...common, manifest: (await read(version)).manifest };
          } catch (error) {
            return { ...common, damage: (error as Error).message };
          }
        }),
      );
    },
    async add(from) {
      const { manifest } = await readFolder(from, undefined);
      await makeFolders(folder);
      const day = manifest.createdAt.slice(0, 10);
      const taken = (await names()).flatMap((name) => {
        const [, nameDay, number] = versionName.exec(name)!;
        return nameDay === day ? [Number(number)] : [];
      });
      const version = `${day}.${Math.max(0, ...taken) + 1}`;
      // The copy is made beside its place: a rename cannot cross file systems, and the caller keeps the folder.
      const staging = await mkdtemp(join(folder, '.adding-'));
      try {
        await copyFile(join(from, manifest.head.file), join(staging, manifest.head.file));
        await writeFile(join(staging, 'manifest.json'), manifestText({ ...manifest, version }));
        const report = await copyIfThere(join(from, reportFile), join(staging, reportFile));
        if (report) await syncFile(join(staging, reportFile));
        await syncFile(join(staging, manifest.head.file));
        await syncFile(join(staging, 'manifest.json'));
        await syncFolder(staging);
        await rename(staging, join(folder, version));
      } catch (error) {
        await rm(staging, { recursive: true, force: true });
        throw error;
      }
      await syncFolder(folder);
      return version;
    },
    async seal() {
      const done: string[] = [];
      for (const version of await names()) {
        const head = await read(version).catch(() => undefined);
        if (head?.manifest.schema !== 1) continue;
        const file = join(folder, version, 'manifest.json');
        await writeDurably(file, manifestText(head.manifest));
        done.push(file);
      }
      const active = await readActive().catch(() => undefined);
      if (active?.schema === 1) {
        await writeActive(active);
        done.push(activeFile);
      }
      return done;
    },
    async rollback() {
      const present = await readActive();
      const previous = present?.history.at(-1);
      if (!present || previous === undefined) {
        throw new QcError('version-unknown', 'there is no earlier version to roll back to');
      }
      await read(previous);
      await writeActive({ active: previous, history: present.history.slice(0, -1) });
      return previous;
    },
  };
}

function unreadable(path: string, cause: unknown): QcError {
  const what = `${path} cannot be read, so that the head is not known: ${(cause as Error).message}`;
  return new QcError('head-damaged', what, { remedy: 'check the disk and the rights', cause });
}

async function copyIfThere(from: string, to: string): Promise<boolean> {
  return copyFile(from, to).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false;
      throw error;
    },
  );
}

/** Reads a version folder and proves it whole; throws `head-damaged`. */
async function readFolder(folder: string, version: string | undefined): Promise<HeadVersion> {
  const damaged = (what: string, cause?: unknown) =>
    new QcError('head-damaged', `${folder}: ${what}`, { cause });
  let manifest: HeadManifest;
  let model: Uint8Array;
  try {
    manifest = await readHeadManifest(join(folder, 'manifest.json'));
    model = await readFile(join(folder, manifest.head.file));
  } catch (error) {
    throw damaged((error as Error).message, error);
  }
  if (version !== undefined && manifest.version !== version) {
    throw damaged(`its manifest says it is version ${manifest.version}`);
  }
  const found = createHash('sha256').update(model).digest('hex');
  if (found !== manifest.head.sha256) {
    throw damaged(`${manifest.head.file} has sha256 ${found}, its manifest says ${manifest.head.sha256}`);
  }
  return { version: manifest.version, manifest, model };
}
