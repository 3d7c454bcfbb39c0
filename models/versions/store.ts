/**
 * Head versions on disk: `<storage>/models/<version>/{manifest.json, head.onnx}`. `<storage>/models/active` contains the
 * active version and those that were active before. Every change is atomic and durable. Only one process writes.
 */
import { createHash } from 'node:crypto';
import { copyFile, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { QcError } from '../../config/errors.ts';
import { sealed, unsealed } from '../disk/checksum.ts';
import { syncFile, syncFolder, writeDurably } from '../disk/durable.ts';
import { makeFolders } from '../disk/folders.ts';
import { type HeadManifest, manifestText, readHeadManifest } from '../manifest.ts';

const activeBaseSchema = z.strictObject({
  name: z.string().min(1),
  /** `model.base` of the config at that time: if it is changed, the config decides again. */
  insteadOf: z.string(),
});
/** The base that the active version was trained on, if `model.base` is another one. */
export type ActiveBase = z.output<typeof activeBaseSchema>;

/** Version and base are one file, so that no crash can separate them. */
const activeSchema = z.strictObject({
  schema: z.literal([1, 2]),
  active: z.string(),
  /** Previously active versions, oldest first; a rollback goes to the last one. */
  history: z.array(z.string()).max(1_000),
  base: activeBaseSchema.optional(),
});
type Active = Omit<z.output<typeof activeSchema>, 'schema'>;

/** A version that was read and verified. */
export interface HeadVersion {
  readonly version: string;
  readonly manifest: HeadManifest;
  /** The bytes of head.onnx; their hash is that of the manifest. */
  readonly model: Uint8Array;
}

/** Which base judges with a version: pair.ts. @throws QcError head-base-mismatch */
export type BaseFor = (manifest: HeadManifest) => Promise<ActiveBase | undefined>;

/** A listed version: its manifest, or why it cannot be used. */
export type ListedVersion =
  | { readonly version: string; readonly active: boolean; readonly manifest: HeadManifest }
  | { readonly version: string; readonly active: boolean; readonly damage: string };

export interface Store {
  /** All versions, oldest first. */
  list(): Promise<ListedVersion[]>;
  /** The active version; undefined if none was ever promoted. Throws `head-damaged` if `active` is unreadable. */
  active(): Promise<string | undefined>;
  /** The base of the active version; undefined: that of the config. Throws as `active`. */
  activeBase(): Promise<ActiveBase | undefined>;
  /** Previously active versions, newest first. */
  history(): Promise<string[]>;
  /** Throws `version-unknown` or `head-damaged`. */
  read(version: string): Promise<HeadVersion>;
  /** Content of report.json of a version; undefined if it is missing or unreadable. */
  report(version: string): Promise<unknown>;
  /** Copies a folder with manifest.json, head.onnx and, if present, report.json to the store. Returns the version, named after the day it was created. */
  add(folder: string): Promise<string>;
  /** Makes a version and its base active. A damaged one is refused, and the active one stays. @param baseFor default: the base of the config */
  promote(version: string, baseFor?: BaseFor): Promise<void>;
  /** The record of the active version as it is on the disk; undefined if there is none. */
  record(): Promise<string | undefined>;
  /** Puts back what `record` has returned, after a change that could not be completed. */
  restore(record: string | undefined): Promise<void>;
  /** Adds missing checksums. @returns the changed files; damaged ones are unchanged */
  seal(): Promise<string[]>;
  /** Makes the previously active version active again, with its base; returns its name. */
  rollback(baseFor?: BaseFor): Promise<string>;
}

/** Evaluation of a version; may be missing. */
const reportFile = 'report.json';
const versionName = /^(\d{4}-\d{2}-\d{2})\.(\d+)$/;

/** Opens the versions below the storage directory. Missing folders are created with the first version. */
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

  async function promote(version: string, baseFor: BaseFor = configured): Promise<void> {
    const { manifest } = await read(version);
    const base = await baseFor(manifest);
    // An unreadable record must not prevent the operator from promoting a version.
    const before = await readActive().catch(() => undefined);
    const isSame = before?.active === version;
    if (isSame && isDeepStrictEqual(before.base, base)) return;
    const { history: earlier = [] } = before ?? {};
    const history = before && !isSame ? [...earlier, before.active].slice(-1_000) : earlier;
    await writeActive({ active: version, history, ...(base && { base }) });
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
    record: () =>
      readFile(activeFile, 'utf8').catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined;
        throw unreadable(activeFile, error);
      }),
    async restore(record) {
      if (record !== undefined) return await writeDurably(activeFile, record);
      await rm(activeFile, { force: true });
      await syncFolder(folder);
    },
    active: async () => (await readActive())?.active,
    activeBase: async () => (await readActive())?.base,
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
      // The copy is staged in the store, because a rename cannot cross file systems and the caller keeps its folder.
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
    async rollback(baseFor = configured) {
      const present = await readActive();
      const previous = present?.history.at(-1);
      if (!present || previous === undefined) {
        throw new QcError('version-unknown', 'there is no earlier version to roll back to');
      }
      const base = await baseFor((await read(previous)).manifest);
      await writeActive({ active: previous, history: present.history.slice(0, -1), ...(base && { base }) });
      return previous;
    },
  };
}

const configured: BaseFor = async () => undefined;

function unreadable(path: string, cause: unknown): QcError {
  const what = `${path} cannot be read, so the active version is unknown: ${(cause as Error).message}`;
  return new QcError('head-damaged', what, { remedy: 'check the disk and the permissions', cause });
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

/** Reads and verifies a version folder; throws `head-damaged`. */
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
