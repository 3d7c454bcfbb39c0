/** Finds the files of a base in a repository of Hugging Face, with the facts from its API. */
import { readdir, readFile, readlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { QcError } from '../../../config/errors.ts';
import type { Source } from './address.ts';
import { type AskDeps, ask } from './ask.ts';
import type { RemoteFile } from './attempt.ts';
import type { Check } from './checks.ts';
import type { HubSettings } from './settings.ts';

type HuggingFace = Extract<Source, { hub: 'huggingface' }>;

export interface Repository {
  readonly commit: string;
  /** Undefined if its card does not state it. */
  readonly licence: string | undefined;
  readonly files: readonly RemoteFile[];
}

const infoSchema = z.object({
  sha: z.string().regex(/^[0-9a-f]{40}$/),
  cardData: z.object({ license: z.union([z.string(), z.array(z.string())]).optional() }).nullish(),
  siblings: z.array(z.object({ rfilename: z.string().max(500) })).max(20_000),
});

const pathsSchema = z.array(
  z.object({
    path: z.string(),
    size: z.number().int().min(0),
    oid: z.string(),
    lfs: z.object({ oid: z.string(), size: z.number().int().min(0) }).nullish(),
  }),
);

/** @throws QcError hub-… */
export async function repositoryFiles(
  source: HuggingFace,
  settings: HubSettings,
  deps: AskDeps,
): Promise<Repository> {
  const { repository, revision, file } = source;
  const api = `${settings.endpoints.huggingface}/api/models/${repository}`;
  const authorization = await settings.authorization('huggingface');
  const infoUrl = new URL(`${api}/revision/${encodeURIComponent(revision ?? 'main')}`);
  const info = await ask({ url: infoUrl, authorization }, infoSchema, deps);
  const names = info.siblings.map(({ rfilename }) => rfilename);
  const paths = chooseFiles(names, file, `hf:${repository}`);
  const facts = await ask(
    {
      url: new URL(`${api}/paths-info/${info.sha}`),
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ paths, expand: false }),
      authorization,
    },
    pathsSchema,
    deps,
  );
  const files = paths.map((path): RemoteFile => {
    const fact = facts.find((one) => one.path === path);
    if (!fact) throw new QcError('hub-not-found', `hf:${repository}@${info.sha} does not list ${path}`);
    return {
      url: new URL(`${settings.endpoints.huggingface}/${resolved(repository, info.sha, path)}`),
      name: basename(path),
      address: addressOf(repository, info.sha, path),
      checks: oidCheck(fact.lfs?.oid ?? fact.oid),
      bytes: fact.lfs?.size ?? fact.size,
      authorization,
    };
  });
  const said = info.cardData?.license;
  return { commit: info.sha, licence: Array.isArray(said) ? said.join(', ') : said, files };
}

const resolved = (repository: string, commit: string, path: string) =>
  `${repository}/resolve/${commit}/${path.split('/').map(encodeURIComponent).join('/')}`;

export const addressOf = (repository: string, commit: string, path: string) =>
  `https://huggingface.co/${resolved(repository, commit, path)}`;

function oidCheck(oid: string): Check[] {
  if (/^[0-9a-f]{64}$/.test(oid)) return [{ kind: 'sha256', value: oid, by: 'the hub' }];
  return /^[0-9a-f]{40}$/.test(oid) ? [{ kind: 'git-sha1', value: oid, by: 'the hub' }] : [];
}

/** In this order: the first pattern that matches a file at the top decides. */
const weights = [
  /^model\.safetensors$/,
  /^model\.safetensors\.index\.json$/,
  /^[^/]+\.safetensors$/,
  /^pytorch_model\.bin$/,
  /^tf_model\.h5$/,
  /^[^/]+\.(?:keras|h5|hdf5)$/,
  /^[^/]+\.(?:pth|pt|bin)$/,
  /^(?:onnx\/)?model\.onnx$/,
];
const besides = ['config.json', 'preprocessor_config.json', 'README.md'];

/**
 * The weights, their other parts, and the files that describe them.
 * @param asked the requested file of weights @throws QcError hub-not-found
 */
export function chooseFiles(names: readonly string[], asked: string | undefined, place: string): string[] {
  const main = asked ?? weights.flatMap((pattern) => names.filter((name) => pattern.test(name)))[0];
  if (main === undefined || !names.includes(main))
    throw new QcError('hub-not-found', `${place} has no ${asked ?? 'known file of weights'}`, {
      remedy: `name one of its files: ${names.slice(0, 8).join(', ') || 'it has none'}`,
    });
  const folder = dirname(main) === '.' ? '' : `${dirname(main)}/`;
  const stem = basename(main)
    .replace(/\.index\.json$/, '')
    .replace(/\.[^.]+$/, '');
  const isPart = (name: string) => {
    if (!name.startsWith(folder)) return false;
    const own = name.slice(folder.length);
    if (main.endsWith('.index.json')) return own.startsWith(`${stem}-`) && /-\d{5}-of-\d{5}\.\w+$/.test(own);
    return main.endsWith('.onnx') && [`${stem}.onnx_data`, `${stem}.onnx.data`, `${stem}.json`].includes(own);
  };
  const described = besides.filter((name) => names.includes(name));
  return [...new Set([main, ...names.filter(isPart), ...described])];
}

export interface CachedFile {
  readonly path: string;
  readonly name: string;
  readonly address: string;
  readonly checks: readonly Check[];
}

/** From the cache of Hugging Face's own tools, whose files are named after their hash. @throws QcError hub-offline */
export async function cachedFiles(
  source: HuggingFace,
  cache: string,
): Promise<Omit<Repository, 'files'> & { readonly files: readonly CachedFile[] }> {
  const { repository, revision, file } = source;
  const folder = join(cache, `models--${repository.replace('/', '--')}`);
  const named = await readFile(join(folder, 'refs', revision ?? 'main'), 'utf8').catch(() => revision ?? '');
  const commit = named.trim();
  const snapshot = join(folder, 'snapshots', commit);
  const found = /^[0-9a-f]{40}$/.test(commit)
    ? await readdir(snapshot, { recursive: true }).catch(() => [])
    : [];
  if (found.length === 0)
    throw new QcError(
      'hub-offline',
      `hf:${repository} is not in the cache ${cache}, and HF_HUB_OFFLINE is set`,
    );
  const files = await Promise.all(
    chooseFiles(found, file, snapshot).map(async (name): Promise<CachedFile> => {
      const path = join(snapshot, name);
      const blob = basename(await readlink(path).catch(() => ''));
      return {
        path,
        name: basename(name),
        address: addressOf(repository, commit, name),
        checks: oidCheck(blob),
      };
    }),
  );
  return { commit, licence: undefined, files };
}
