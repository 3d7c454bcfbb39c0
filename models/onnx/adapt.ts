/**
 * Adapts an exported graph to float32 input and output and any batch size: casts for uint8 and float16, a free batch dimension,
 * and an IR version in which weights need not be inputs.
 */
import { floatTensor, node } from './build.ts';
import { graphInputs } from './graph.ts';
import {
  changed,
  dataType,
  type OnnxAttribute,
  type OnnxGraph,
  type OnnxModel,
  type OnnxNode,
  type OnnxTensor,
  type OnnxValueInfo,
  toNumber,
} from './proto.ts';
import { asFloat32, integersOf } from './tensors.ts';

/** Since this version weights need not be inputs (onnx.proto, IR_VERSION_2019_1_22). */
const weightsApart = 4;

/** The model with an IR version in which weights are not inputs, and without them among the inputs. */
export function withWeightsApart(model: OnnxModel): OnnxModel {
  if (toNumber(model.irVersion ?? 0) >= weightsApart || !model.graph) return model;
  const fed = new Set(graphInputs(model.graph).map(({ name }) => name));
  const input = model.graph.input.filter(({ name }) => fed.has(name ?? ''));
  return changed(model, { irVersion: weightsApart, graph: changed(model.graph, { input }) });
}

/** Whether the graph computes in float16; weights that are stored in float16 and cast at once do not count. */
export function computesInFloat16(graph: OnnxGraph): boolean {
  const halves = new Set(graph.initializer.filter(isHalf).map(({ name }) => name));
  for (const { output, attribute } of graph.node)
    if (attribute.some(({ t }) => t && isHalf(t))) halves.add(output[0]);
  return (
    [...graph.input, ...graph.output].some((value) => elemType(value) === dataType.float16) ||
    graph.node.some(({ opType, input, attribute }) =>
      opType === 'Cast'
        ? attribute.some((one) => isTo(one, dataType.float16))
        : input.some((name) => halves.has(name)),
    )
  );
}

const isHalf = (tensor: OnnxTensor) => tensor.dataType === dataType.float16;
const elemType = (value: OnnxValueInfo) => value.type?.tensorType?.elemType;
const isTo = ({ name, i }: OnnxAttribute, type: number) => name === 'to' && Number(i) === type;

/** Converts a uint8 input (with rounding) or a float16 input to float32. */
export function withFloatInput(model: OnnxModel, input: string): OnnxModel {
  const apart = withWeightsApart(model);
  const graph = apart.graph!;
  const fed = graph.input.find(({ name }) => name === input);
  const type = fed && elemType(fed);
  if (!fed || (type !== dataType.uint8 && type !== dataType.float16)) return model;
  const inside = `${input}/as exported`;
  // Cast truncates, and the operator Round exists only since opset 11.
  const [half, more, rounded] = [`${input}/half`, `${input}/more`, `${input}/rounded`];
  const casts =
    type === dataType.uint8
      ? [
          node('Add', [input, half], [more]),
          node('Floor', [more], [rounded]),
          node('Cast', [rounded], [inside], { to: type }),
        ]
      : [node('Cast', [input], [inside], { to: type })];
  const initializer = type === dataType.uint8 ? [floatTensor(half, [1], Float32Array.of(0.5))] : [];
  const rename = (name: string) => (name === input ? inside : name);
  return changed(apart, {
    graph: changed(graph, {
      initializer: [...graph.initializer, ...initializer],
      node: [...casts, ...graph.node.map((one) => changed(one, { input: one.input.map(rename) }))],
      input: graph.input.map((value) => (value === fed ? withType(fed, dataType.float32) : value)),
    }),
  });
}

/** Adds an output with the tensor in float32 under another name. */
export function withFloatOutput(model: OnnxModel, tensor: string, name: string): OnnxModel {
  const graph = model.graph!;
  const output = { name, type: { tensorType: { elemType: dataType.float32 } } };
  return changed(model, {
    graph: changed(graph, {
      node: [...graph.node, node('Cast', [tensor], [name], { to: dataType.float32 })],
      output: [...graph.output.filter((value) => value.name !== tensor), output],
    }),
  });
}

function withType(value: OnnxValueInfo, type: number): OnnxValueInfo {
  return { ...value, type: { ...value.type, tensorType: { ...value.type?.tensorType, elemType: type } } };
}

/**
 * Makes the fixed first dimension of the input free.
 * @returns undefined if a Reshape contains the number, so that the graph works with no other
 */
export function withFreeBatch(model: OnnxModel, input: string, size: number): OnnxModel | undefined {
  const graph = model.graph!;
  const shapes = new Set(graph.node.flatMap((one) => (one.opType === 'Reshape' ? [one.input[1]] : [])));
  const constants = [
    ...graph.initializer.map((tensor) => [tensor.name, tensor] as const),
    ...graph.node.flatMap(({ output, attribute }) =>
      attribute.flatMap(({ t }) => (t ? [[output[0], t] as const] : [])),
    ),
  ];
  if (constants.some(([name, tensor]) => shapes.has(name) && integersOf(tensor)[0] === size))
    return undefined;
  return changed(model, {
    graph: changed(graph, {
      input: graph.input.map((value) => (value.name === input ? withDim(value, 'N') : value)),
      output: graph.output.map((value) => withDim(value, 'N')),
      // They contain the number too, and no runtime needs them.
      valueInfo: [],
    }),
  });
}

function withDim(value: OnnxValueInfo, dimParam: string): OnnxValueInfo {
  const { tensorType } = value.type ?? {};
  const dims = tensorType?.shape?.dim;
  if (!dims?.length) return value;
  const shape = { dim: [{ dimParam }, ...dims.slice(1)] };
  return { ...value, type: { ...value.type, tensorType: { ...tensorType, shape } } };
}

/** Converts the whole model to float32 and gives all nodes unique names, as a starting point for conversions. */
export function inFloat32(model: OnnxModel): OnnxModel {
  const { graph } = model;
  if (!graph) return model;
  const makers = new Set(graph.node.map(({ output }) => output[0]));
  const named = new Set<string>();
  /** Nodes that are added later are named after their output. */
  const withName = (one: OnnxNode): OnnxNode => {
    const [output = ''] = one.output;
    const isClear = one.name && !named.has(one.name) && (one.name === output || !makers.has(one.name));
    const name = isClear ? one.name! : output;
    named.add(name);
    return name === one.name ? one : changed(one, { name });
  };
  const float = (value: OnnxValueInfo) =>
    elemType(value) === dataType.float16 ? withType(value, dataType.float32) : value;
  return changed(model, {
    graph: changed(graph, {
      node: graph.node
        .map(withName)
        .map((one) =>
          one.opType === 'Cast' && one.attribute.some((attribute) => isTo(attribute, dataType.float16))
            ? changed(one, { opType: 'Identity', attribute: [] })
            : changed(one, { attribute: one.attribute.map(floatAttribute) }),
        ),
      initializer: graph.initializer.map(floatTensorOf),
      input: graph.input.map(float),
      output: graph.output.map(float),
      valueInfo: graph.valueInfo.map(float),
    }),
  });
}

const floatTensorOf = (tensor: OnnxTensor) => (isHalf(tensor) ? asFloat32(tensor)! : tensor);
const floatAttribute = (one: OnnxAttribute) =>
  one.t && isHalf(one.t) ? changed(one, { t: floatTensorOf(one.t) }) : one;
