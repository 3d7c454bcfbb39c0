/**
 * Pulls a base from a hub: address, licence, download, checks, import. An interrupted download is kept below
 * `<storage>/downloads` and continued by the next pull; bytes that fail a check are removed.
 */
import { createHash } from 'node:crypto';
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { QcError } from '../../../config/errors.ts';
import { makeFolders } from '../../disk/folders.ts';
import { takeLock } from '../../disk/lock.ts';
import { type ImportedBase, type ImportRequest, importBase } from '../import.ts';
import { freeName, unknownLicence } from '../install.ts';
import { licenceBeside, requireLicence } from '../licence.ts';
import type { Proposal } from '../onnx/propose.ts';
import { parseAddress, type Wanted } from './address.ts';
import { readCatalogue } from './catalogue.ts';
import { openClient } from './client.ts';
import { type DownloadDeps, type Downloaded, download } from './download.ts';
import { copyIn } from './local.ts';
import { isLocal, type Plan, planOf } from './plan.ts';
import { record } from './recorded.ts';
import type { RetryRules } from './retries.ts';
import { type Environment, hubSettings } from './settings.ts';
import { requireSpace } from './space.ts';
import { unpack } from './unpack.ts';

export interface PullRequest
  extends Pick<
    ImportRequest,
    'storageDirectory' | 'architecture' | 'name' | 'licence' | 'size' | 'features'
  > {
  /** A name of the catalogue, or an address. */
  readonly address: string;
  /** A local file or folder: nothing is downloaded. */
  readonly from?: string | undefined;
  /** Hash of the weights, if the user knows it. */
  readonly sha256?: string | undefined;
  /** Whether the user may use weights whose licence excludes commercial use. */
  readonly acceptLicence: boolean;
  readonly minFreeBytes: number;
}

export interface PullDeps {
  readonly environment: Environment;
  readonly signal: AbortSignal;
  readonly onNotice: (text: string) => void;
  /** Bytes of all files so far, and of those whose size is known. */
  readonly onProgress: (step: string, done: number, total: number) => void;
  readonly rules?: Partial<PullRules>;
}

export interface PullRules {
  readonly retry: RetryRules;
  readonly connectMs: number;
  readonly stallMs: number;
  /** Of one file. */
  readonly maxBytes: number;
}

const usual: PullRules = {
  retry: { attempts: 6, minMs: 1_000, maxMs: 30_000, maxAskedMs: 120_000 },
  connectMs: 15_000,
  stallMs: 30_000,
  maxBytes: 4e9,
};

export interface PulledBase extends ImportedBase {
  readonly downloads: readonly Omit<Downloaded, 'file'>[];
}

/** @throws QcError hub-…, download-…, licence-refused, disk-too-small, base-exists, weights-…, model-… */
export async function pullBase(request: PullRequest, deps: PullDeps): Promise<PulledBase> {
  const { storageDirectory } = request;
  const rules = { ...usual, ...deps.rules };
  const settings = hubSettings(deps.environment);
  const { wanted, name } = await checkPull(request);
  const folder = join(downloadsIn(storageDirectory), slugOf(request.address));
  await makeFolders(folder);
  await using _lock = await takeLock(`${folder}.lock`, {
    code: 'download-busy',
    does: 'is pulling this base',
  });
  // The last owner may have removed it.
  await makeFolders(folder);
  await forgetOldest(downloadsIn(storageDirectory), folder);
  await using client = openClient(settings, rules);
  const all = { ...deps, ...rules, client, settings, storageDirectory, minFreeBytes: request.minFreeBytes };
  try {
    const plan = withHash(await planOf(wanted, request.from, all), request.sha256);
    const said = request.licence ?? plan.licence ?? wanted.entry?.licence;
    requireLicence(said, request.acceptLicence);
    const downloads = await fetchAll(plan, folder, all);
    const path = await weightsIn(plan, folder, downloads, all);
    const licence = said ?? (await licenceBeside(path, undefined)) ?? unknownLicence;
    requireLicence(licence, request.acceptLicence);
    deps.onProgress('importing', 0, 1);
    const { size, features, architecture } = request;
    const source = sourceOf(wanted, downloads);
    const confirm = async ({ network, findings, doubts }: Proposal) => {
      deps.onNotice(`${network}; ${findings.map(({ what, value }) => `${what}: ${value}`).join('; ')}`);
      for (const doubt of doubts) deps.onNotice(doubt);
      return true;
    };
    const imported = await importBase({
      path,
      storageDirectory,
      name,
      licence,
      size,
      features,
      architecture,
      source,
      confirm,
    });
    for (const one of downloads) await record(storageDirectory, one.address, one);
    await rm(folder, { recursive: true, force: true });
    return { ...imported, downloads: downloads.map(({ file: _file, ...rest }) => rest) };
  } catch (error) {
    await tidy(folder, error);
    throw error;
  }
}

/** Maximum number of interrupted downloads, so that they cannot fill the disk. */
const maxKept = 3;

/** @param current is kept */
async function forgetOldest(downloads: string, current: string): Promise<void> {
  const names = (await readdir(downloads)).filter((name) => !/\.lock$|^upload-/.test(name));
  const others = names.map((name) => join(downloads, name)).filter((folder) => folder !== current);
  const dated = await Promise.all(
    others.map(async (folder) => ({ folder, at: (await stat(folder).catch(() => undefined))?.mtimeMs ?? 0 })),
  );
  for (const { folder } of dated.sort((a, b) => b.at - a.at).slice(maxKept)) {
    try {
      await using _lock = await takeLock(`${folder}.lock`, { code: 'download-busy', does: 'is pulling' });
      await rm(folder, { recursive: true, force: true });
    } catch (error) {
      // Another process continues it.
      if (!(error instanceof QcError)) throw error;
    }
  }
}

/** Checks a request without contacting a hub. @throws QcError hub-address, base-exists, licence-refused */
export async function checkPull(
  request: Pick<PullRequest, 'address' | 'storageDirectory' | 'name' | 'licence' | 'acceptLicence'>,
): Promise<{ readonly wanted: Wanted; readonly name: string }> {
  const wanted = parseAddress(request.address, await readCatalogue());
  const name = await freeName(request.storageDirectory, request.name ?? wanted.name);
  requireLicence(request.licence ?? wanted.entry?.licence, request.acceptLicence);
  return { wanted, name };
}

export const downloadsIn = (storageDirectory: string) => join(storageDirectory, 'downloads');

function slugOf(address: string): string {
  const hash = createHash('sha256').update(address).digest('hex').slice(0, 8);
  const words = address
    .replace(/[?#].*$/, '')
    .replace(/[^A-Za-z0-9.]+/g, '-')
    .replace(/^[.-]+/, '')
    .slice(-60);
  return `${words}-${hash}`;
}

function withHash(plan: Plan, sha256: string | undefined): Plan {
  const [weights, ...rest] = plan.files;
  if (sha256 === undefined || weights === undefined) return plan;
  const own = { kind: 'sha256' as const, value: sha256, by: 'the request' };
  return { ...plan, files: [{ ...weights, checks: [own, ...weights.checks] }, ...rest] };
}

async function fetchAll(
  plan: Plan,
  folder: string,
  deps: Omit<DownloadDeps, 'onBytes'> & PullDeps,
): Promise<Downloaded[]> {
  const sizes = plan.files.map(({ bytes = 0 }) => bytes);
  await requireSpace(
    folder,
    sizes.reduce((sum, bytes) => sum + bytes, 0),
    deps.minFreeBytes,
  );
  const downloads: Downloaded[] = [];
  let before = 0;
  for (const file of plan.files) {
    const onBytes = (done: number, total: number | undefined) => {
      const known = sizes.reduce((sum, bytes) => sum + bytes, 0);
      deps.onProgress(`downloading ${file.name}`, before + done, Math.max(known, before + (total ?? done)));
    };
    // A file of an earlier, interrupted pull is checked again.
    const fetched = isLocal(file)
      ? await copyIn(file, folder, { ...deps, onBytes })
      : await download(file, folder, { ...deps, onBytes });
    if (fetched.checkedBy === '')
      deps.onNotice(
        `no hash of ${file.name} is published: its sha256 ${fetched.sha256} is recorded, and later pulls must equal it`,
      );
    downloads.push(fetched);
    before += fetched.bytes;
  }
  return downloads;
}

/** The path to import: a file, or the folder of several related files. */
async function weightsIn(
  { isArchive, files }: Plan,
  folder: string,
  downloads: readonly Downloaded[],
  limits: Pick<DownloadDeps, 'maxBytes' | 'minFreeBytes' | 'signal'>,
): Promise<string> {
  if (!isArchive) return join(folder, files[0]!.name);
  const unpacked = join(folder, 'unpacked');
  await rm(unpacked, { recursive: true, force: true });
  await makeFolders(unpacked);
  await unpack(downloads[0]!.file, unpacked, limits);
  return unpacked;
}

/** For the manifest: origin, check and terms. */
function sourceOf({ entry }: Wanted, downloads: readonly Downloaded[]): string {
  const [first] = downloads;
  const terms = entry ? `; licence: ${entry.licenceUrl}` : '';
  return `${first!.address}, sha256 ${first!.sha256}${terms}`;
}

/** Parts of an interrupted download stay; everything else is removed. */
async function tidy(folder: string, error: unknown): Promise<void> {
  const isRefused = error instanceof QcError && /^(?:download-|weights-|model-|licence-)/.test(error.code);
  const names = await readdir(folder).catch(() => []);
  if (isRefused || names.length === 0) await rm(folder, { recursive: true, force: true });
}
