/** Reads an ONNX file completely: the graph, and the weights in files next to it. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { QcError } from '../../config/errors.ts';
import { readExternalData, withExternalData } from './external.ts';
import { decodeModel, type OnnxGraph, type OnnxModel } from './proto.ts';

export interface Sha256 {
  /** Of the .onnx followed by the files with its weights: everything that affects the result. */
  readonly all: string;
  readonly alone: string;
  readonly files: readonly string[];
}

/** @throws QcError model-missing, model-damaged */
export async function readOnnxFile(file: string) {
  const bytes = await readModel(file);
  const parsed = parseModel(file, bytes);
  const damaged = (cause: unknown) =>
    new QcError('model-damaged', `${file}: ${(cause as Error).message}`, {
      cause,
      remedy:
        'put the file with its weights next to it, or export the model as one file (torch.onnx.export: external_data=False)',
    });
  const data = await readExternalData(file, parsed).catch((cause) => {
    throw damaged(cause);
  });
  const hash = createHash('sha256').update(bytes);
  const alone = hash.copy().digest('hex');
  for (const one of data.values()) hash.update(one);
  const sha256: Sha256 = { all: hash.digest('hex'), alone, files: [...data.keys()] };
  try {
    const model = withExternalData(parsed, data) as OnnxModel & { graph: OnnxGraph };
    return { model, isWhole: data.size === 0, sha256 };
  } catch (cause) {
    throw damaged(cause);
  }
}

/** @throws QcError model-missing */
export async function readModel(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw new QcError('model-missing', `cannot read ${file}: ${(cause as Error).message}`, { cause });
  }
}

/** Decodes an ONNX file; throws `model-damaged` for anything else. */
export function parseModel(file: string, bytes: Uint8Array): OnnxModel & { graph: OnnxGraph } {
  let model: OnnxModel;
  try {
    model = decodeModel(bytes);
  } catch (cause) {
    throw new QcError(
      'model-damaged',
      `${file} is not a complete ONNX file (${bytes.length} bytes): ${(cause as Error).message}`,
      { cause },
    );
  }
  const { graph } = model;
  if (!graph || graph.node.length === 0 || model.opsetImport.length === 0) {
    throw new QcError(
      'model-damaged',
      `${file} is not a complete ONNX file: it has no graph or operator set`,
    );
  }
  return model as OnnxModel & { graph: OnnxGraph };
}
