/** Heads on a base without feature maps, such as an inference server: they run without the outputs and limits that need maps. */
import { isMapName } from '../base.ts';
import { graphInputs } from './graph.ts';
import { withoutGoodParts } from './memory-graph.ts';
import { decodeModel, encodeModel, type OnnxModel } from './proto.ts';
import { withoutWhere } from './where-graph.ts';

/** The model without its memory of good parts and its output `where`; its probabilities may still need maps. */
export function withoutMaps(model: OnnxModel): OnnxModel {
  const cut = withoutGoodParts(model);
  return withoutWhere(cut) ?? cut;
}

/** The same for the bytes of a head, which are returned unchanged if its probabilities need maps. */
export function withoutNeedlessMaps(bytes: Uint8Array): Uint8Array {
  const model = decodeModel(bytes);
  if (!graphInputs(model.graph!).some(({ name }) => isMapName(name))) return bytes;
  const cut = withoutMaps(model);
  return graphInputs(cut.graph!).some(({ name }) => isMapName(name)) ? bytes : encodeModel(cut);
}
