/** What a quantized base is worth besides its features: what each layer lost, how fast it is, how it is known again. */
import { readFile } from 'node:fs/promises';
import { cpuUsage } from 'node:process';
import { type Base, type MapName, mapShapes, type ProvedBase } from '../base.ts';
import type { Image } from '../image.ts';
import type { BaseManifest } from '../manifest.ts';
import type { OnnxModel } from '../onnx/proto.ts';
import { afterLevels } from '../onnx/quantize/insert.ts';
import type { Plan } from '../onnx/quantize/plan.ts';
import { checkImage, recordCheck } from '../run/warm-up-check.ts';
import { type Attempt, each, type Watch } from './attempts.ts';
import { correlation, median, Noise } from './compare.ts';
import { exposing, type FloatBase, type OpenGraph, type Picture } from './float.ts';
import type { QuantizationReport } from './report.ts';

/** What a tensor of the float graph is called in the quantized one, where it holds what comes back from 8 bits. */
export function told(float: FloatBase, plan: Plan, tensor: string): string {
  const isOutput = float.model.graph!.output.some(({ name }) => name === tensor);
  return isOutput || !plan.tensors.has(tensor) ? tensor : afterLevels(tensor);
}

/** How like the float ones the maps of stages 2 and 3 are, by name: mean over the images. */
export async function likenessOfMaps(
  float: FloatBase,
  base: ProvedBase,
  { plan, model }: Attempt,
  pictures: readonly Picture[],
  options: Watch,
): Promise<Partial<Record<MapName, number>>> {
  if (float.maps.length === 0) return {};
  const before = float.maps.map(({ tensor }) => tensor);
  const after = before.map((name) => told(float, plan, name));
  await using exact = await float.open(exposing(float.model, before), options.threads);
  await using changed = await float.open(exposing(model, after), options.threads);
  const sums = before.map(() => 0);
  for await (const { image } of each(pictures, 'comparing maps', options)) {
    const maps = await exact.tensors(image, before);
    const now = await changed.tensors(image, after);
    before.forEach((name, i) => {
      sums[i]! += correlation(maps.get(name)!, now.get(after[i]!)!);
    });
  }
  return Object.fromEntries(mapShapes(base).map(({ name }, i) => [name, sums[i]! / pictures.length]));
}

/** What each tensor in 8 bits lost, with all that was lost before it. */
export async function lossOfLayers(
  float: FloatBase,
  { plan, model }: Attempt,
  pictures: readonly Picture[],
  options: Watch,
): Promise<QuantizationReport['layers']> {
  const inputs = new Set(float.model.graph!.input.map(({ name }) => name));
  const tensors = [...plan.tensors].filter((name) => !inputs.has(name));
  const after = (name: string) => told(float, plan, name);
  await using exact = await float.open(exposing(float.model, tensors), options.threads);
  await using changed = await float.open(exposing(model, tensors.map(after)), options.threads);
  const losses = new Map(tensors.map((name) => [name, new Noise()]));
  for await (const { image } of each(pictures, 'what each layer loses', options)) {
    const before = await exact.tensors(image, tensors);
    const now = await changed.tensors(image, tensors.map(after));
    for (const [name, noise] of losses) noise.add(before.get(name)!, now.get(after(name))!);
  }
  return [...losses].map(([tensor, noise]) => ({ tensor, sqnr: Number(noise.decibels.toFixed(1)) }));
}

/** CPU time of an inference, float over 8 bits, in turn; medians. What else runs here takes the clock's time, not that. */
export async function measureSpeed(
  base: Base,
  float: FloatBase,
  model: OnnxModel,
  image: Image,
  { threads, onProgress, signal }: Watch,
): Promise<number> {
  const rounds = 12;
  const original = typeof base.model === 'string' ? await readFile(base.model) : base.model;
  await using slow = await float.open(original, threads);
  await using fast = await float.open(model, threads);
  const took = { slow: [] as number[], fast: [] as number[] };
  const timed = async (graph: OpenGraph, wanted: string) => {
    const before = cpuUsage();
    await graph.tensors(image, [wanted]);
    const { user, system } = cpuUsage(before);
    return user + system;
  };
  for (let round = 0; round < rounds; round++) {
    signal?.throwIfAborted();
    onProgress('how fast it is', round, rounds);
    took.slow.push(await timed(slow, base.output));
    took.fast.push(await timed(fast, base.manifest.features.tensor));
  }
  onProgress('how fast it is', rounds, rounds);
  return Number((median(took.slow.slice(2)) / median(took.fast.slice(2))).toFixed(2));
}

export async function checkOf(
  float: FloatBase,
  model: Uint8Array,
  { input }: BaseManifest,
  { threads }: Watch,
) {
  await using graph = await float.open(model, threads);
  return recordCheck(await graph.features(checkImage(input.width, input.height)));
}
