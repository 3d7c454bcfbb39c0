/** How much memory a base needs, estimated before it is opened: a base that is too large would end the process. */
import { totalmem } from 'node:os';
import { constrainedMemory, memoryUsage } from 'node:process';
import { QcError } from '../../config/errors.ts';
import type { Base } from '../base.ts';
import type { WorkerRequest } from './messages.ts';
import type { ThreadPlan } from './threads.ts';

/**
 * Measured with the embedded base (270 MB with two workers) and a ViT-S/14 (475 MB, 620 MB for 448×448 pixels): the runtime, the
 * isolate of a worker, and activations of one image of 224×224 pixels, which grow with its pixels.
 */
const runtime = 60 * 2 ** 20;
const isolate = 40 * 2 ** 20;
const activations = 40 * 2 ** 20;
const usualPixels = 224 * 224;

export interface MemoryNeed {
  /** All in bytes. */
  readonly total: number;
  readonly weights: number;
  readonly worker: number;
  readonly workers: number;
}

export function memoryNeed(
  { weightBytes, manifest }: Pick<Base, 'weightBytes' | 'manifest'>,
  { workers }: Pick<ThreadPlan, 'workers'>,
  batch: number,
): MemoryNeed {
  const { width, height } = manifest.input;
  // Twice while the graph is compiled. Workers share them, except matrices, which each of them rearranges.
  const weights = 2 * weightBytes.all + workers * weightBytes.matrices;
  const worker = isolate + Math.ceil((activations * batch * width * height) / usualPixels);
  return { total: runtime + weights + workers * worker, weights, worker, workers };
}

/** Resident memory of the process. */
export const residentBytes = (): number => memoryUsage.rss();

/** @throws QcError model-too-large */
export function requireMemory(
  base: string,
  need: MemoryNeed,
  { maxMemoryMb, heldBytes = 0 }: Pick<WorkerRequest, 'maxMemoryMb' | 'heldBytes'>,
): void {
  if (maxMemoryMb === undefined) return;
  const allowed = maxMemoryMb > 0 ? maxMemoryMb * 1e6 : memoryOfMachine() / 2;
  if (need.total + heldBytes <= allowed) return;
  const shown = (bytes: number) => `${Math.ceil(bytes / 1e6)} MB`;
  const held = heldBytes > 0 ? `, and the bases that are open need ${shown(heldBytes)}` : '';
  throw new QcError(
    'model-too-large',
    `the base ${base} needs about ${shown(need.total)} of memory (${shown(need.weights)} for its weights, ` +
      `${need.workers} × ${shown(need.worker)} to compute)${held}; ${shown(allowed)} are allowed`,
  );
}

/** Bytes. */
function memoryOfMachine(): number {
  // 0 or a number beyond any machine without a limit.
  const limit = constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}
