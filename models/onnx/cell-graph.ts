/** The part of head.onnx for localized features: `stage2` and `stage3` → `seen` [N,C], transformed and centred (models/cells.ts). */
import { z } from 'zod';
import { check } from '../../config/check.ts';
import type { CellBlock, Evidence, MapSize, Spot } from '../cells.ts';
import { floatTensor, floatValues, node, shapeTensor, valueInfo } from './build.ts';
import type { OnnxModel, OnnxNode, OnnxTensor, OnnxValueInfo } from './proto.ts';

export interface CellGraph {
  readonly node: readonly OnnxNode[];
  readonly initializer: readonly OnnxTensor[];
  readonly input: readonly OnnxValueInfo[];
  /** What `readCellBlock` needs in addition to the weights. */
  readonly metadata: Readonly<Record<string, string>>;
}

const size = z.number().int().min(1);
const mapSize = z.strictObject({ channels: size, height: size, width: size });
const whole = z.number().int().min(0);
export const mapsSchema = z.strictObject({ stage2: mapSize, stage3: mapSize });
const layoutSchema = z.strictObject({
  maps: mapsSchema,
  window: size,
  look: z.discriminatedUnion('by', [
    z.strictObject({ by: z.literal('evidence') }),
    z.strictObject({ by: z.literal('spot'), row: whole, column: whole, rows: size, columns: size }),
  ]),
});

/** Expects the initializer `least` with `minSum`, shared with the transform of the features. */
export function cellGraph({ maps: { stage2, stage3 }, window, look, mean }: CellBlock): CellGraph {
  const channels = stage2.channels + stage3.channels;
  const inner = look.by === 'evidence' ? evidenceGraph(window, look) : spotGraph(window, look, stage3);
  return {
    node: [
      ...cellNodes,
      ...inner.node,
      node('Reshape', ['windows', 'rows_shape'], ['rows']),
      node('MatMul', ['rows', inner.shares], ['average']),
      node('Reshape', ['average', 'seen_shape'], ['attended']),
      node('ReduceL1', ['attended'], ['attended_sum'], { axes: [1], keepdims: 1 }),
      node('Max', ['attended_sum', 'least'], ['attended_divisor']),
      node('Div', ['attended', 'attended_divisor'], ['attended_portions']),
      node('Sqrt', ['attended_portions'], ['attended_roots']),
      node('Sub', ['attended_roots', 'cell_mean'], ['seen']),
    ],
    initializer: [
      ...inner.initializer,
      shapeTensor('rows_shape', [0, channels, -1]),
      shapeTensor('seen_shape', [0, channels]),
      floatTensor('cell_mean', [channels], mean),
    ],
    input: mapInputs({ stage2, stage3 }),
    metadata: { cells: JSON.stringify(layoutOf({ maps: { stage2, stage3 }, window, look })) },
  };
}

/** `stage2` and `stage3` → `cells` [N,C,H,W]. */
export const cellNodes: readonly OnnxNode[] = [
  // Stage 2 may have an odd number of cells.
  node('MaxPool', ['stage2'], ['halved'], { kernel_shape: [2, 2], strides: [2, 2], ceil_mode: 1 }),
  node('Concat', ['halved', 'stage3'], ['joined'], { axis: 1 }),
  node('Relu', ['joined'], ['cells']),
];

export function mapInputs({ stage2, stage3 }: CellBlock['maps']): OnnxValueInfo[] {
  return [
    valueInfo('stage2', ['N', stage2.channels, stage2.height, stage2.width]),
    valueInfo('stage3', ['N', stage3.channels, stage3.height, stage3.width]),
  ];
}

function layoutOf({ maps, window, look }: Omit<CellBlock, 'mean'>): z.output<typeof layoutSchema> {
  const sizeOf = ({ channels, height, width }: MapSize) => ({ channels, height, width });
  const { by } = look;
  if (by === 'evidence') return { maps: sizes(), window, look: { by } };
  const { row, column, rows, columns } = look;
  return { maps: sizes(), window, look: { by, row, column, rows, columns } };

  function sizes() {
    return { stage2: sizeOf(maps.stage2), stage3: sizeOf(maps.stage3) };
  }
}

/** JSON, or undefined. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Reads the block back from a graph that contains `cellGraph`; undefined for any other graph. */
export function readCellBlock({ graph, metadataProps }: OnnxModel): CellBlock | undefined {
  const text = metadataProps.find(({ key }) => key === 'cells')?.value;
  if (text === undefined) return undefined;
  const layout = check(layoutSchema, parsed(text));
  const named = (name: string) => {
    const tensor = graph?.initializer.find((one) => one.name === name);
    return tensor && floatValues(tensor);
  };
  const mean = named('cell_mean');
  if (!layout.success || !mean) return undefined;
  const { look, ...rest } = layout.data;
  if (look.by === 'spot') {
    const weights = named('spot_weights');
    return weights && { ...rest, mean, look: { ...look, weights } };
  }
  const [weights, [bias] = [], [sharpness] = []] = [
    named('evidence_weights'),
    named('evidence_bias'),
    named('sharpness'),
  ];
  if (!weights || bias === undefined || sharpness === undefined) return undefined;
  return { ...rest, mean, look: { by: 'evidence', weights, bias, sharpness } };
}

/** The largest value of each channel within a window around each cell. */
export function largestOf(window: number, input: string, output: string): OnnxNode {
  const margin = (window - 1) / 2;
  return node('MaxPool', [input], [output], {
    kernel_shape: [window, window],
    strides: [1, 1],
    pads: [margin, margin, margin, margin],
  });
}

interface Inner {
  readonly node: readonly OnnxNode[];
  readonly initializer: readonly OnnxTensor[];
  /** The tensor with the attention weights, [..,cells,1]. */
  readonly shares: string;
}

function evidenceGraph(window: number, { weights, bias, sharpness }: Evidence): Inner {
  return {
    node: [
      largestOf(window, 'cells', 'windows'),
      node('Sqrt', ['windows'], ['roots_of_windows']),
      node('Conv', ['roots_of_windows', 'evidence_weights', 'evidence_bias'], ['evidence']),
      node('Reshape', ['evidence', 'flat_shape'], ['flat_evidence']),
      node('Mul', ['flat_evidence', 'sharpness'], ['sharpened']),
      node('Softmax', ['sharpened'], ['attention'], { axis: 1 }),
      node('Reshape', ['attention', 'shares_shape'], ['shares']),
    ],
    initializer: [
      floatTensor('evidence_weights', [1, weights.length, 1, 1], weights),
      floatTensor('evidence_bias', [1], Float32Array.of(bias)),
      floatTensor('sharpness', [1], Float32Array.of(sharpness)),
      shapeTensor('flat_shape', [0, -1]),
      shapeTensor('shares_shape', [0, -1, 1]),
    ],
    shares: 'shares',
  };
}

/** Uses only the cells around the spot; cells beyond the edge are padded. */
function spotGraph(
  window: number,
  { row, column, rows, columns, weights }: Spot,
  { height, width }: { readonly height: number; readonly width: number },
): Inner {
  const margin = (window - 1) / 2;
  const [top, left] = [row - margin, column - margin];
  const [bottom, right] = [row + rows + margin, column + columns + margin];
  const beyond = [top, left].map((edge) => Math.max(0, -edge));
  const after = [Math.max(0, bottom - height), Math.max(0, right - width)];
  return {
    node: [
      node('Slice', ['cells', 'area_from', 'area_to', 'area_axes'], ['area']),
      node('MaxPool', ['area'], ['windows'], {
        kernel_shape: [window, window],
        strides: [1, 1],
        pads: [...beyond, ...after],
      }),
    ],
    initializer: [
      shapeTensor('area_from', [Math.max(0, top), Math.max(0, left)]),
      shapeTensor('area_to', [Math.min(height, bottom), Math.min(width, right)]),
      shapeTensor('area_axes', [2, 3]),
      floatTensor('spot_weights', [weights.length, 1], weights),
    ],
    shares: 'spot_weights',
  };
}
