/** Reduces a head's map of deviations to the size that is stored and shown. */
import type { WhereMap } from '../../models/run/messages.ts';
import type { WhereMapView } from './where-view.ts';

/** Larger maps are reduced. */
const maxSide = 32;

/** @param least `where` of the rules of the head that judged; undefined if it reports no locations */
export function whereMapViewOf(
  map: WhereMap | undefined,
  least: number | undefined,
): WhereMapView | undefined {
  if (!map || least === undefined) return undefined;
  const { data, height, width } = coarse(map);
  // The map of a part without any peak remains pale.
  const most = Math.max(2 * least, ...data);
  if (!Number.isFinite(most)) return undefined;
  const levels = Uint8Array.from(data, (value) => Math.round((255 * Math.max(0, value)) / most));
  return {
    width,
    height,
    least,
    most: Number(most.toFixed(2)),
    levels: Buffer.from(levels).toString('base64'),
  };
}

/** The maximum of each block of cells. */
function coarse({ data, height, width }: WhereMap): WhereMap {
  const [rows, columns] = [Math.ceil(height / maxSide), Math.ceil(width / maxSide)];
  const size = { height: Math.ceil(height / rows), width: Math.ceil(width / columns) };
  const out = new Float32Array(size.height * size.width).fill(Number.NEGATIVE_INFINITY);
  data.forEach((value, p) => {
    const at = Math.floor(Math.floor(p / width) / rows) * size.width + Math.floor((p % width) / columns);
    out[at] = Math.max(out[at]!, value);
  });
  return { data: out, ...size };
}
