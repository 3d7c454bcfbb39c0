/**
 * Settings of hubs from the environment: mirrors, tokens, proxies, offline mode. Names are those of the hubs' own tools.
 */
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { check } from '../../../config/check.ts';
import { QcError } from '../../../config/errors.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Address of each hub, and the variable for a mirror of it. */
const endpoints = {
  huggingface: { variable: 'HF_ENDPOINT', url: 'https://huggingface.co' },
  torchvision: { variable: 'TORCHVISION_ENDPOINT', url: 'https://download.pytorch.org' },
  meta: { variable: 'META_ENDPOINT', url: 'https://dl.fbaipublicfiles.com' },
  keras: { variable: 'KERAS_ENDPOINT', url: 'https://storage.googleapis.com' },
  kaggle: { variable: 'KAGGLE_API_ENDPOINT', url: 'https://www.kaggle.com' },
  ngc: { variable: 'NGC_ENDPOINT', url: 'https://api.ngc.nvidia.com' },
} as const;

export type Hub = keyof typeof endpoints;
export const hubs = Object.keys(endpoints) as [Hub, ...Hub[]];

export interface HubSettings {
  /** Without a slash at the end. */
  readonly endpoints: Readonly<Record<Hub, string>>;
  /** Offline mode: no hub is contacted. */
  readonly isOffline: boolean;
  /** Folder of the cache of Hugging Face's own tools. */
  readonly huggingFaceCache: string;
  /** Empty: none. */
  readonly proxies: { readonly httpProxy: string; readonly httpsProxy: string; readonly noProxy: string };
  /** Value of the Authorization header; undefined without a token. */
  authorization(hub: Hub): Promise<string | undefined>;
}

/** @throws QcError hub-address for an invalid address of a mirror */
export function hubSettings(environment: Environment): HubSettings {
  const said = (...names: string[]) => names.map((name) => environment[name]?.trim()).find(Boolean) ?? '';
  const home = said('HOME') || homedir();
  const cache = said('XDG_CACHE_HOME') || join(home, '.cache');
  const huggingFace = said('HF_HOME') || join(cache, 'huggingface');
  const places = Object.fromEntries(
    hubs.map((hub) => [
      hub,
      endpointOf(endpoints[hub].variable, said(endpoints[hub].variable) || endpoints[hub].url),
    ]),
  ) as Record<Hub, string>;
  return {
    endpoints: places,
    isOffline: /^(?:1|on|yes|true)$/i.test(said('HF_HUB_OFFLINE')),
    huggingFaceCache: said('HF_HUB_CACHE') || join(huggingFace, 'hub'),
    proxies: {
      httpProxy: proxyOf('HTTP_PROXY', said('http_proxy', 'HTTP_PROXY')),
      httpsProxy: proxyOf('HTTPS_PROXY', said('https_proxy', 'HTTPS_PROXY')),
      noProxy: said('no_proxy', 'NO_PROXY'),
    },
    async authorization(hub) {
      if (hub === 'huggingface') {
        const token =
          said('HF_TOKEN') || (await firstLine(said('HF_TOKEN_PATH') || join(huggingFace, 'token')));
        return token ? `Bearer ${token}` : undefined;
      }
      if (hub === 'ngc') {
        const key = said('NGC_API_KEY', 'NGC_CLI_API_KEY');
        return key ? `Bearer ${key}` : undefined;
      }
      if (hub !== 'kaggle') return undefined;
      const folder = said('KAGGLE_CONFIG_DIR') || join(home, '.kaggle');
      const login = kaggleLogin(said('KAGGLE_USERNAME'), said('KAGGLE_KEY')) ?? (await kaggleFile(folder));
      return login && `Basic ${Buffer.from(`${login.username}:${login.key}`).toString('base64')}`;
    },
  };
}

function endpointOf(variable: string, text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url && /^https?:$/.test(url.protocol) && !url.username && !url.search && !url.hash)
    return url.href.replace(/\/+$/, '');
  throw new QcError('hub-address', `${variable} is not the address of a hub`, {
    remedy: `set ${variable} to an address such as https://mirror.example, without user and password, or unset it`,
  });
}

/** As in curl: without a scheme it is http. */
function proxyOf(variable: string, text: string): string {
  if (text === '') return '';
  const address = text.includes('://') ? text : `http://${text}`;
  if (URL.canParse(address)) return address;
  throw new QcError('hub-address', `${variable} is not the address of a proxy`, {
    remedy: `set ${variable} to an address such as http://proxy.example:3128, or unset it`,
  });
}

async function firstLine(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.split('\n')[0]!.trim();
}

const kaggleSchema = z.object({ username: z.string().min(1), key: z.string().min(1) });
const kaggleLogin = (username: string, key: string) => check(kaggleSchema, { username, key }).data;

/** kaggle.json, from the page of an account. */
async function kaggleFile(folder: string) {
  const text = await readFile(join(folder, 'kaggle.json'), 'utf8').catch(() => '{}');
  try {
    return check(kaggleSchema, JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
