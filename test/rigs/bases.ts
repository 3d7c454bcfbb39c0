/** Tiny bases that are installed below a storage directory. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { manifestText } from '../../models/manifest.ts';
import { floatTensor } from '../../models/onnx/build.ts';
import { changed, encodeModel, type OnnxModel } from '../../models/onnx/proto.ts';
import { tinyClassifier, tinyManifest } from '../models/tiny-model.ts';

/** Writes `<storage>/bases/<name>.onnx` and its manifest. */
export async function installTiny(storage: string, name: string, model = tinyClassifier()): Promise<void> {
  const folder = join(storage, 'bases');
  await mkdir(folder, { recursive: true });
  const bytes = encodeModel(model);
  await writeFile(join(folder, `${name}.onnx`), bytes);
  const manifest = tinyManifest(bytes, { name, file: `${name}.onnx`, licence: 'CC0-1.0' });
  await writeFile(join(folder, `${name}.json`), manifestText(manifest));
}

/** A base with the same features for all images. */
export function blindBase(): OnnxModel {
  const model = tinyClassifier();
  const graph = model.graph!;
  const constants = [
    floatTensor('kernel', [8, 3, 3, 3], new Float32Array(8 * 27)),
    floatTensor('shift', [8], Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8)),
  ];
  const initializer = [...graph.initializer.filter(({ name }) => name !== 'kernel'), ...constants];
  const nodes = graph.node.map((one) =>
    one.opType === 'Conv' ? changed(one, { input: [...one.input, 'shift'] }) : one,
  );
  return changed(model, { graph: changed(graph, { node: nodes, initializer }) });
}
