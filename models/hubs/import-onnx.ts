/**
 * A base from an ONNX file. With its manifest next to it, it is verified and copied; otherwise the manifest is proposed
 * from the graph.
 */
import { createHash } from 'node:crypto';
import { access, readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { QcError } from '../../config/errors.ts';
import { openBase, wholeGraph } from '../base.ts';
import type { BaseManifest } from '../manifest.ts';
import { encodeModel } from '../onnx/proto.ts';
import { freeName, hashOf, type Installed, install, nameAfter, unknownLicence } from './install.ts';
import { licenceBeside, requireLicence } from './licence.ts';
import { type OnnxChoices, type Proposal, proposeBase } from './onnx/propose.ts';
import { besidesOnnx, foldersOf } from './read/besides.ts';

export interface OnnxRequest {
  readonly path: string;
  readonly storageDirectory: string;
  readonly name?: string | undefined;
  readonly licence?: string | undefined;
  readonly source?: string | undefined;
  /** Only for weights. */
  readonly architecture?: string | undefined;
  readonly acceptLicence?: boolean | undefined;
  readonly choices: OnnxChoices;
  /** Asked before anything is written; default: yes. */
  readonly confirm?: ((proposal: Proposal) => Promise<boolean>) | undefined;
}

export type ImportedOnnx = Installed & { readonly proposal: Proposal | undefined };

/** @throws QcError model-…, base-exists, import-declined */
export async function importOnnx(request: OnnxRequest): Promise<ImportedOnnx> {
  if (request.architecture !== undefined)
    throw new QcError('model-mismatch', `${request.path} contains its network: no architecture is needed`, {
      remedy: 'leave out --architecture',
    });
  const manifest = request.path.replace(/\.onnx$/, '.json');
  const hasManifest = await access(manifest).then(
    () => true,
    () => false,
  );
  return hasManifest ? copied(request) : proposed(request);
}

async function copied({ path, storageDirectory, ...request }: OnnxRequest): Promise<ImportedOnnx> {
  const { size, ...choices } = request.choices;
  const base = await openBase({ base: path, precision: 'auto' });
  const { input } = base.manifest;
  const isOther = size && (size.width !== input.width || size.height !== input.height);
  if (isOther || Object.values(choices).some((value) => value !== undefined))
    throw new QcError('model-mismatch', `${path} has a manifest next to it, which contradicts the options`, {
      remedy: 'correct the manifest, or move it away so that one is proposed',
    });
  const name = await freeName(storageDirectory, request.name ?? base.manifest.name);
  const isAsItIs = base.model === path;
  const model = isAsItIs ? new Uint8Array(await readFile(path)) : encodeModel(await wholeGraph(base));
  const licence = request.licence ?? base.manifest.licence;
  requireLicence(licence, request.acceptLicence ?? true);
  const manifest = { ...base.manifest, name, file: `${name}.onnx`, sha256: sha256Of(model), licence };
  return { ...(await install(storageDirectory, manifest, model)), proposal: undefined };
}

async function proposed({ path, storageDirectory, ...request }: OnnxRequest): Promise<ImportedOnnx> {
  const name = await freeName(storageDirectory, request.name ?? nameAfter(path));
  const licence = request.licence ?? (await licenceOf(path)) ?? unknownLicence;
  requireLicence(licence, request.acceptLicence ?? true);
  const proposal = await proposeBase(path, request.choices);
  if (request.confirm && !(await request.confirm(proposal)))
    throw new QcError('import-declined', `${path} was not imported`);
  const model = encodeModel(proposal.model);
  const manifest: BaseManifest = {
    schema: 1,
    name,
    file: `${name}.onnx`,
    sha256: sha256Of(model),
    licence,
    origin: `${basename(path)} (ONNX${await hashOf(path)}): ${proposal.features.size} features, ${proposal.from}${request.source === undefined ? '' : `, from ${request.source}`}`,
    opset: proposal.opset,
    network: proposal.network,
    precision: 'fp32',
    input: proposal.input,
    features: proposal.features,
    maps: proposal.maps,
    figures: {},
  };
  return { ...(await install(storageDirectory, manifest, model)), proposal };
}

async function licenceOf(path: string): Promise<string | undefined> {
  const { config } = await besidesOnnx(path);
  for (const folder of foldersOf(path)) {
    const said = await licenceBeside(folder, config);
    if (said !== undefined) return said;
  }
  return undefined;
}

const sha256Of = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
