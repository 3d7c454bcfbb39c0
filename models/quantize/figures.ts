/** Measures a quantized base: loss of each layer, similarity of maps, speed, and the values of its warm-up check. */
import { readFile } from 'node:fs/promises';
import { cpuUsage } from 'node:process';
import { type Base, type MapName, mapShapes, type ProvedBase } from '../base.ts';
import type { Image } from '../image.ts';
import type { BaseManifest } from '../manifest.ts';
import { median } from '../median.ts';
import type { OnnxModel } from '../onnx/proto.ts';
import { afterLevels } from '../onnx/quantize/insert.ts';
import type { Plan } from '../onnx/quantize/plan.ts';
import { checkImage, recordCheck } from '../run/warm-up-check.ts';
import { type Attempt, type RunOptions, withProgress } from './attempts.ts';
import { correlation, Noise } from './compare.ts';
import { type FloatBase, type ImageReader, type OpenGraph, withOutputs } from './float.ts';
import type { QuantizationReport } from './report.ts';

/** Name in the quantized graph of a tensor of the float graph, after dequantization. */
export function quantizedName(float: FloatBase, plan: Plan, tensor: string): string {
  const isOutput = float.model.graph!.output.some(({ name }) => name === tensor);
  return isOutput || !plan.tensors.has(tensor) ? tensor : afterLevels(tensor);
}

/** Correlation of the maps of stages 2 and 3 with the float ones, by name; mean over the images. */
export async function correlationOfMaps(
  float: FloatBase,
  base: ProvedBase,
  { plan, model }: Attempt,
  images: readonly ImageReader[],
  options: RunOptions,
): Promise<Partial<Record<MapName, number>>> {
  if (float.maps.length === 0) return {};
  const before = float.maps.map(({ tensor }) => tensor);
  const after = before.map((name) => quantizedName(float, plan, name));
  await using exact = await float.open(withOutputs(float.model, before), options.threads);
  await using changed = await float.open(withOutputs(model, after), options.threads);
  const sums = before.map(() => 0);
  for await (const { image } of withProgress(images, 'comparing maps', options)) {
    const maps = await exact.tensors(image, before);
    const now = await changed.tensors(image, after);
    before.forEach((name, i) => {
      sums[i]! += correlation(maps.get(name)!, now.get(after[i]!)!);
    });
  }
  return Object.fromEntries(mapShapes(base).map(({ name }, i) => [name, sums[i]! / images.length]));
}

/** Signal-to-noise ratio of each int8 tensor, including the noise of all layers before it. */
export async function lossOfLayers(
  float: FloatBase,
  { plan, model }: Attempt,
  images: readonly ImageReader[],
  options: RunOptions,
): Promise<QuantizationReport['layers']> {
  const inputs = new Set(float.model.graph!.input.map(({ name }) => name));
  const tensors = [...plan.tensors].filter((name) => !inputs.has(name));
  const after = (name: string) => quantizedName(float, plan, name);
  await using exact = await float.open(withOutputs(float.model, tensors), options.threads);
  await using changed = await float.open(withOutputs(model, tensors.map(after)), options.threads);
  const losses = new Map(tensors.map((name) => [name, new Noise()]));
  for await (const { image } of withProgress(images, 'measuring the loss of each layer', options)) {
    const before = await exact.tensors(image, tensors);
    const now = await changed.tensors(image, tensors.map(after));
    for (const [name, noise] of losses) noise.add(before.get(name)!, now.get(after(name))!);
  }
  return [...losses].map(([tensor, noise]) => ({ tensor, sqnr: Number(noise.decibels.toFixed(1)) }));
}

/** Ratio of the CPU time of a float and an int8 inference, median of alternating runs. CPU time is not affected by other processes. */
export async function measureSpeed(
  base: Base,
  float: FloatBase,
  model: OnnxModel,
  image: Image,
  { threads, onProgress, signal }: RunOptions,
): Promise<number> {
  const rounds = 12;
  const original = typeof base.model === 'string' ? await readFile(base.model) : base.model;
  await using slow = await float.open(original, threads);
  await using fast = await float.open(model, threads);
  const times = { slow: [] as number[], fast: [] as number[] };
  const timed = async (graph: OpenGraph, wanted: string) => {
    const before = cpuUsage();
    await graph.tensors(image, [wanted]);
    const { user, system } = cpuUsage(before);
    return user + system;
  };
  for (let round = 0; round < rounds; round++) {
    signal?.throwIfAborted();
    onProgress('measuring speed', round, rounds);
    times.slow.push(await timed(slow, base.output));
    times.fast.push(await timed(fast, base.manifest.features.tensor));
  }
  onProgress('measuring speed', rounds, rounds);
  return Number((median(times.slow.slice(2)) / median(times.fast.slice(2))).toFixed(2));
}

export async function checkOf(
  float: FloatBase,
  model: Uint8Array,
  { input }: BaseManifest,
  { threads }: RunOptions,
) {
  await using graph = await float.open(model, threads);
  return recordCheck(await graph.features(checkImage(input.width, input.height)));
}
