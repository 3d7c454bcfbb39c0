/** TensorFlow.js with the fastest back end of this machine. */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';

export type Tensors = typeof tf;

export interface OpenTensors {
  readonly tf: Tensors;
  readonly backend: 'tensorflow-gpu' | 'wasm';
  /** Why a faster one is not used. */
  readonly why: readonly string[];
}

let opened: Promise<OpenTensors> | undefined;

/**
 * Native TensorFlow on CUDA if `@tensorflow/tfjs-node-gpu` is installed and its library loads (docs/training.md), otherwise
 * WebAssembly with SIMD. Both give the same head except for rounding.
 */
export function openTensors(): Promise<OpenTensors> {
  opened ??= open();
  return opened;
}

async function open(): Promise<OpenTensors> {
  const why: string[] = [];
  try {
    // Not a dependency, because it cannot be installed without CUDA.
    const native = '@tensorflow/tfjs-node-gpu';
    const gpu = (await import(native)) as Tensors;
    await gpu.ready();
    return { tf: gpu, backend: 'tensorflow-gpu', why };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const missing = code === 'ERR_MODULE_NOT_FOUND';
    why.push(`tensorflow-gpu: ${missing ? 'not installed (docs/training.md)' : message.split('\n')[0]}`);
  }
  const backend = createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm');
  setWasmPaths(join(dirname(backend), '/'));
  await tf.setBackend('wasm');
  await tf.ready();
  return { tf, backend: 'wasm', why };
}
