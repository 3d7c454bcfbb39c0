/** The part of head.onnx that locates defects: cells → `where` [N,H,W], deviations from ordinary cells (models/cells.ts). */
import { z } from 'zod';
import { check } from '../../config/check.ts';
import type { CellBlock, Detector } from '../cells.ts';
import { floatTensor, floatValues, node, shapeTensor } from './build.ts';
import { type CellGraph, cellNodes, largestOf, mapInputs, mapsSchema, parsed } from './cell-graph.ts';
import { cutAt } from './cut.ts';
import { changed, type OnnxModel } from './proto.ts';

export const whereName = 'where';

const whole = z.number().int().min(0);
const layoutSchema = z.strictObject({
  maps: mapsSchema,
  window: z.number().int().min(1),
  shared: z.boolean().describe('whether it is the detector of the attention'),
  within: z.strictObject({ row: whole, column: whole, rows: whole, columns: whole }).optional(),
});

/** @param block of the same head; its evidence is reused if it has the same detector */
export function whereGraph(detector: Detector, block: CellBlock | undefined): CellGraph {
  const { maps, window, weights, bias, within } = detector;
  const { height, width } = maps.stage3;
  const shared = isShared(detector, block);
  const windows = window > 1 ? 'where_windows' : 'cells';
  const own = [
    ...(window > 1 ? [largestOf(window, 'cells', windows)] : []),
    node('Sqrt', [windows], ['where_roots']),
    node('Conv', ['where_roots', 'where_weights', 'where_bias'], ['where_evidence']),
  ];
  const found = shared ? 'evidence' : 'where_evidence';
  const narrow = window > 1 ? 'where_narrow' : found;
  const layout: z.output<typeof layoutSchema> = { maps: sizesOf(maps), window, shared };
  return {
    node: [
      ...(block ? [] : cellNodes),
      ...(shared ? [] : own),
      ...(window > 1
        ? [
            node('Neg', [found], ['where_negative']),
            largestOf(window, 'where_negative', 'where_smallest'),
            node('Neg', ['where_smallest'], [narrow]),
          ]
        : []),
      ...(within ? [node('Mul', [narrow, 'where_within'], ['where_inside'])] : []),
      node('Reshape', [within ? 'where_inside' : narrow, 'where_shape'], [whereName]),
    ],
    initializer: [
      ...(shared
        ? []
        : [
            floatTensor('where_weights', [1, weights.length, 1, 1], weights),
            floatTensor('where_bias', [1], Float32Array.of(bias)),
          ]),
      ...(within ? [floatTensor('where_within', [1, 1, height, width], insideOf(detector))] : []),
      shapeTensor('where_shape', [0, height, width]),
    ],
    input: block ? [] : mapInputs(maps),
    metadata: { where: JSON.stringify(within ? { ...layout, within } : layout) },
  };
}

function isShared({ window, weights, within }: Detector, block: CellBlock | undefined): boolean {
  return (
    !within && block?.look.by === 'evidence' && block.window === window && block.look.weights === weights
  );
}

function insideOf({ maps: { stage3 }, within }: Detector): Float32Array {
  const inside = new Float32Array(stage3.height * stage3.width);
  const { row, column, rows, columns } = within!;
  for (let y = row; y < row + rows; y++) {
    inside.fill(1, y * stage3.width + column, y * stage3.width + column + columns);
  }
  return inside;
}

function sizesOf({ stage2, stage3 }: Detector['maps']) {
  const sizeOf = ({ channels, height, width }: typeof stage2) => ({ channels, height, width });
  return { stage2: sizeOf(stage2), stage3: sizeOf(stage3) };
}

/** The detector of a graph that `whereGraph` is part of; undefined for any other. @param block of the same graph */
export function readWhere(
  { graph, metadataProps }: OnnxModel,
  block: CellBlock | undefined,
): Detector | undefined {
  const text = metadataProps.find(({ key }) => key === 'where')?.value;
  const layout = text === undefined ? undefined : check(layoutSchema, parsed(text));
  if (!layout?.success) return undefined;
  const { shared, ...rest } = layout.data;
  if (shared) return block?.look.by === 'evidence' ? { ...rest, ...detectorOf(block.look) } : undefined;
  const named = (name: string) => {
    const tensor = graph?.initializer.find((one) => one.name === name);
    return tensor && floatValues(tensor);
  };
  const [weights, [bias] = []] = [named('where_weights'), named('where_bias')];
  return weights && bias !== undefined ? { ...rest, weights, bias } : undefined;
}

const detectorOf = ({ weights, bias }: Pick<Detector, 'weights' | 'bias'>) => ({ weights, bias });

/** The model without the output `where`; undefined if it has none. */
export function withoutWhere(model: OnnxModel): OnnxModel | undefined {
  const output = model.graph?.output.filter(({ name }) => name !== whereName) ?? [];
  const [first, ...others] = output.map(({ name = '' }) => name);
  if (first === undefined || output.length === model.graph?.output.length) return undefined;
  const cut = cutAt(model, first, undefined, others);
  return changed(cut, { graph: changed(cut.graph!, { output }) });
}
