import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import protobuf from 'protobufjs';
import { expect, test } from 'vitest';
import { embeddedBases } from '../../../models/base.ts';
import { buildModel, floatValues, node, tensorDims, valueInfo } from '../../../models/onnx/build.ts';
import { cutAt } from '../../../models/onnx/cut.ts';
import { graphInputs, graphOutputs, describe as inWords, reads } from '../../../models/onnx/graph.ts';
import {
  decodeModel,
  encodeModel,
  type OnnxGraph,
  type OnnxNode,
  toNumber,
} from '../../../models/onnx/proto.ts';
import { tinyClassifier, weights } from '../tiny-model.ts';

test('a model of 50 megabytes is read without copying its weights and written back unchanged', () => {
  const bytes = readFileSync(join(embeddedBases, 'resnet50-embedded.onnx'));
  const model = decodeModel(bytes);
  const largest = model.graph!.initializer.toSorted((a, b) => b.rawData!.length - a.rawData!.length)[0]!;
  expect(largest.rawData!.buffer).toBe(bytes.buffer);
  const again = decodeModel(encodeModel(model));
  expect(again.graph!.node.map(({ name, input }) => [name, input])).toEqual(
    model.graph!.node.map(({ name, input }) => [name, input]),
  );
  const hashes = (graph: OnnxGraph) =>
    graph.initializer.map(({ name, dims, rawData }) => [
      name,
      dims.map(toNumber),
      createHash('sha256').update(rawData!).digest('hex'),
    ]);
  expect(hashes(again.graph!)).toEqual(hashes(model.graph!));
  expect(inWords(graphInputs(again.graph!))).toBe(inWords(graphInputs(model.graph!)));
});

test('unknown fields survive reading, cutting and writing', () => {
  // ModelProto.functions (field 25) and GraphProto.doc_string (field 10), as written by another tool.
  const writer = protobuf.Writer.create();
  const functions = writer
    .uint32((25 << 3) | 2)
    .bytes(Buffer.from('local function'))
    .finish();
  const bytes = Buffer.concat([encodeModel(tinyClassifier()), functions]);
  const cut = encodeModel(cutAt(decodeModel(bytes), 'flat'));
  expect(Buffer.from(cut).includes('local function')).toBe(true);
});

test('cutting keeps all inputs of the tensor, also outer inputs of the body of an If', () => {
  const body = buildModel({
    name: 'then',
    node: [node('Add', ['outer', 'inner'], ['sum'])],
    initializer: [weights('inner', [1])],
    input: [],
    output: [valueInfo('sum', [1])],
  }).graph!;
  const choose: OnnxNode = node('If', ['condition'], ['chosen']);
  choose.attribute.push({
    name: 'then_branch',
    type: 5,
    g: body,
    floats: [],
    ints: [],
    strings: [],
    graphs: [],
  });
  const model = buildModel({
    name: 'branching',
    node: [node('Relu', ['x'], ['outer']), node('Neg', ['x'], ['unused']), choose],
    initializer: [weights('condition', [1])],
    input: [valueInfo('x', [1])],
    output: [valueInfo('chosen', [1]), valueInfo('unused', [1])],
  });
  expect(reads(choose).sort()).toEqual(['condition', 'outer']);
  const cut = decodeModel(encodeModel(cutAt(model, 'chosen')));
  expect(cut.graph!.node.map(({ opType }) => opType)).toEqual(['Relu', 'If']);
  expect(graphOutputs(cut.graph!)).toEqual([{ name: 'chosen', type: 'float32', shape: [1] }]);
  expect(() => cutAt(model, 'nowhere')).toThrow('no node of the graph computes a tensor named "nowhere"');
});

test('weights are read as they were written', () => {
  const tensor = weights('w', [3, 5]);
  const model = buildModel({ name: 'm', node: [], initializer: [tensor], input: [], output: [] });
  const back = decodeModel(encodeModel(model)).graph!.initializer[0]!;
  expect(tensorDims(back)).toEqual([3, 5]);
  expect([...floatValues(back)]).toEqual([...floatValues(tensor)]);
});
