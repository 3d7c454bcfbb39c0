/** Which ONNX files can be run. */
import { QcError } from '../../config/errors.ts';
import { type OnnxGraph, type OnnxModel, toNumber } from './proto.ts';

const oldest = 7;
const newest = 23;
/** Domains whose operators onnxruntime has. */
const known = new Set(['', 'ai.onnx', 'ai.onnx.ml', 'com.microsoft']);

/** The version of the standard operators. */
export const opsetOf = ({ opsetImport }: OnnxModel): number =>
  toNumber(opsetImport.find(({ domain }) => ['', 'ai.onnx'].includes(domain ?? ''))?.version ?? 0);

/** @throws QcError model-unsupported that names the operator set or the operator */
export function requireSupported(file: string, model: OnnxModel & { graph: OnnxGraph }): void {
  const opset = opsetOf(model);
  if (opset < oldest || opset > newest)
    throw new QcError(
      'model-unsupported',
      `${file} was written for version ${opset} of the ONNX operators; ${oldest} to ${newest} are supported`,
      { remedy: 'export it for another version (torch.onnx.export: opset_version=17)' },
    );
  const foreign = model.graph.node.find(({ domain }) => !known.has(domain ?? ''));
  if (foreign)
    throw new QcError(
      'model-unsupported',
      `${file} uses the operator ${foreign.opType ?? ''} of "${foreign.domain}", which is not part of ONNX`,
      {
        remedy:
          'export it with standard operators only; functions of the exporter have to be inlined (onnx.inliner)',
      },
    );
}
