/** Finds the files of an address, with the known facts about them. */
import { createHash } from 'node:crypto';
import { QcError } from '../../../config/errors.ts';
import { fileName, type Source, type Wanted } from './address.ts';
import type { AskDeps } from './ask.ts';
import type { RemoteFile } from './attempt.ts';
import { type Check, digitsIn } from './checks.ts';
import { shownUrl } from './client.ts';
import { type CachedFile, cachedFiles, repositoryFiles } from './hugging-face.ts';
import { broughtFiles, type LocalFile } from './local.ts';
import { type Hub, type HubSettings, hubSettings } from './settings.ts';

export interface Plan {
  /** The weights first. */
  readonly files: readonly (RemoteFile | LocalFile)[];
  /** Licence according to the hub; undefined if not stated. */
  readonly licence: string | undefined;
  readonly isArchive: boolean;
}

export interface PlanDeps extends AskDeps {
  readonly settings: HubSettings;
}

/** @param from local files @throws QcError hub-…, weights-missing */
export async function planOf(wanted: Wanted, from: string | undefined, deps: PlanDeps): Promise<Plan> {
  const { source } = wanted;
  const { settings } = deps;
  const isArchive =
    source.hub === 'web' ? /\.(?:tar\.gz|tgz)$/.test(source.url.pathname) : 'archive' in source;
  if (source.hub === 'huggingface') {
    if (from !== undefined)
      return { files: await broughtFiles(from, source, undefined), licence: undefined, isArchive };
    const found = settings.isOffline
      ? await cachedFiles(source, settings.huggingFaceCache)
      : await repositoryFiles(source, settings, deps);
    return { ...found, isArchive };
  }
  const remote = await single(source, settings);
  if (from !== undefined)
    return { files: await broughtFiles(from, source, remote), licence: undefined, isArchive };
  if (settings.isOffline)
    throw new QcError('hub-offline', `${shownUrl(remote.url)} is not contacted: HF_HUB_OFFLINE is set`);
  return { files: [remote], licence: undefined, isArchive };
}

async function single(
  source: Exclude<Source, { hub: 'huggingface' }>,
  settings: HubSettings,
): Promise<RemoteFile> {
  if (source.hub === 'web') {
    const { url } = source;
    const name = fileName(url.pathname);
    return { url, name, address: webAddress(url), checks: digitsIn(name) };
  }
  const { hub, path, bytes, sha256, md5 } = source;
  const name = 'archive' in source && source.archive ? `weights.${source.archive}` : fileName(path);
  const said: Check[] = [
    ...(sha256 === undefined ? [] : [{ kind: 'sha256' as const, value: sha256, by: 'the catalogue' }]),
    ...(md5 === undefined ? [] : [{ kind: 'md5' as const, value: md5, by: 'the catalogue' }]),
  ];
  return {
    url: new URL(`${settings.endpoints[hub]}/${path}`),
    name,
    // The same file from a mirror has the same record.
    address: `${publicEndpoint(hub)}/${path}`,
    checks: [...said, ...digitsIn(name)],
    bytes,
    authorization: await settings.authorization(hub),
  };
}

const publicEndpoint = (hub: Hub) => hubSettings({}).endpoints[hub];

/** A query may choose the file, and may contain a signature that must not be recorded. */
function webAddress(url: URL): string {
  return url.search === '' ? shownUrl(url) : `${shownUrl(url)}?${digestOf(url.search)}`;
}

const digestOf = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 16);

export const isLocal = (file: RemoteFile | LocalFile): file is LocalFile | CachedFile => 'path' in file;
