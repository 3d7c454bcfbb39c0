/** Parses the argument of `models pull`: a name of the catalogue, a short address of a hub, or the address of a file. */
import { QcError } from '../../../config/errors.ts';
import type { CatalogueEntry, FileSource } from './catalogue.ts';
import type { Hub } from './settings.ts';

export type Source =
  | {
      readonly hub: 'huggingface';
      readonly repository: string;
      /** Commit, branch or tag; null: the newest. */
      readonly revision: string | null;
      readonly file?: string | undefined;
    }
  | FileSource
  | { readonly hub: 'web'; readonly url: URL };

export interface Wanted {
  /** Default of the name of the base. */
  readonly name: string;
  readonly source: Source;
  readonly entry?: CatalogueEntry | undefined;
}

/** @throws QcError hub-address */
export function parseAddress(text: string, catalogue: readonly CatalogueEntry[]): Wanted {
  const entry = catalogue.find(({ name, address }) => text === name || text === address);
  if (entry) return { name: entry.name, source: ofEntry(entry), entry };
  const [, scheme = '', rest = ''] = /^([a-z]+):(.+)$/.exec(text) ?? [];
  switch (scheme) {
    case 'hf':
      return huggingFace(text, rest);
    case 'torchvision':
      if (/^[\w.-]+-[0-9a-f]{8}\.pth$/.test(rest)) return fileOf('torchvision', `models/${rest}`);
      break;
    case 'tfhub':
      return kaggle(text, rest);
    case 'ngc':
      return ngc(text, rest);
    case 'https':
    case 'http':
      return web(text);
  }
  throw wrong(text, near(text, catalogue));
}

const ofEntry = ({ source }: CatalogueEntry): Source =>
  source.hub === 'huggingface'
    ? { hub: source.hub, repository: source.repository, revision: source.commit, file: source.file }
    : source;

function huggingFace(text: string, rest: string): Wanted {
  const parts = /^([\w.-]+\/[\w.-]+)(?:@([\w.-]+))?(?:\/([\w./+-]+))?$/.exec(rest);
  const [, repository, revision = null, file] = parts ?? [];
  if (repository === undefined || (file !== undefined && !isBelow(file)))
    throw wrong(text, 'write hf:owner/name, hf:owner/name@commit or hf:owner/name@commit/file');
  return {
    name: plainName(repository.replace('/', '-')),
    source: { hub: 'huggingface', repository, revision, file },
  };
}

/** TensorFlow Hub moved to Kaggle Models. The form for TensorFlow.js can be read without TensorFlow. */
function kaggle(text: string, rest: string): Wanted {
  const [, owner, model, variation, version = '1'] =
    /^([\w-]+)\/([\w.-]+)\/([\w.-]+)(?:\/(\d{1,4}))?$/.exec(rest) ?? [];
  if (owner === undefined || model === undefined || variation === undefined)
    throw wrong(text, 'write tfhub:owner/model/variation or tfhub:owner/model/variation/version');
  const path = `api/v1/models/${owner}/${model}/tfJs/${variation}/${version}/download`;
  return {
    name: plainName(`${model}-${variation}`),
    source: { hub: 'kaggle', path, archive: 'tar.gz' },
  };
}

function ngc(text: string, rest: string): Wanted {
  const [, model, version, file] = /^([\w-]+(?:\/[\w-]+)?\/[\w.-]+):([\w.-]+)\/([\w./-]+)$/.exec(rest) ?? [];
  if (model === undefined || version === undefined || file === undefined || !isBelow(file))
    throw wrong(
      text,
      'write ngc:org/team/model:version/file, for example ngc:nvidia/tao/pretrained_classification:resnet18/resnet_18.hdf5',
    );
  return fileOf('ngc', `v2/models/${model}/versions/${version}/files/${file}`);
}

function web(text: string): Wanted {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || url.username + url.password !== '')
    throw wrong(text.replace(/\/\/[^/]*@/, '//'), 'write the address of a file, without user and password');
  const isHere = /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(url.hostname);
  if (url.protocol === 'http:' && !isHere)
    throw wrong(`${url.origin}${url.pathname}`, 'use https, which protects the file during the transfer');
  return { name: plainName(fileName(url.pathname)), source: { hub: 'web', url } };
}

function fileOf(hub: Exclude<Hub, 'huggingface'>, path: string): Wanted {
  return { name: plainName(fileName(path)), source: { hub, path } };
}

/** The last part of a path; never empty, never a folder. */
export function fileName(path: string): string {
  const name = path
    .split('/')
    .at(-1)!
    .replace(/[^\w.+-]+/g, '-');
  return /^\.*$/.test(name) ? 'weights' : name;
}

/** Without the ending and the digits of a hash. */
function plainName(text: string): string {
  const name = text
    .replace(/\.(?:safetensors|pth|pt|bin|h5|hdf5|keras|onnx|json|tar\.gz|tgz|zip)$/, '')
    .replace(/-[0-9a-f]{8,64}$/, '')
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '');
  return name || 'pulled';
}

const isBelow = (path: string) => path.split('/').every((part) => part !== '' && !/^\.+$/.test(part));

function wrong(text: string, remedy: string): QcError {
  return new QcError('hub-address', `"${text}" is neither a name of the catalogue nor an address`, {
    remedy,
  });
}

function near(text: string, catalogue: readonly CatalogueEntry[]): string {
  const word = text
    .replace(/^[a-z]+:/, '')
    .toLowerCase()
    .replace(/[^a-z0-9]/g, '');
  const alike = catalogue.filter(({ name }) => {
    const plain = name.replace(/[^a-z0-9]/g, '');
    return word.length >= 3 && (plain.includes(word) || word.includes(plain));
  });
  const list = 'qc-agent models catalogue lists the names';
  return alike.length === 0
    ? list
    : `did you mean ${alike
        .slice(0, 5)
        .map(({ name }) => name)
        .join(', ')}? ${list}`;
}
