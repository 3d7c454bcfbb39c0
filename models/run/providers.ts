/** Checks which execution providers can work on this machine without loading them: a missing one would print errors. */
import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { arch, env, platform } from 'node:process';
import type { Precision } from '../manifest.ts';

export const providers = ['tensorrt', 'cuda', 'webgpu', 'cpu'] as const;
export type Provider = (typeof providers)[number];

/** Runtime and precision that an image was processed with. */
export interface RanOn {
  readonly provider: Provider | 'remote';
  readonly precision: Precision;
}

/** Why a provider should not be used on this machine; empty if it can be tried. */
export interface Limitation {
  /** Why it cannot run. */
  readonly absent?: string | undefined;
  /** Why it would be slower than the CPU provider: used only if the config names it. */
  readonly slow?: string;
}

export function limitationOf(provider: Provider): Limitation {
  switch (provider) {
    case 'cpu':
      return {};
    case 'webgpu':
      return platform === 'linux' ? limitationOfVulkan() : {};
    case 'cuda':
    case 'tensorrt':
      return { absent: whyNoLibrary(provider) };
  }
}

/** onnxruntime loads these libraries from the folder of its binding; if they are missing, it prints errors and throws. */
function whyNoLibrary(provider: 'cuda' | 'tensorrt'): string | undefined {
  if (platform !== 'linux') return 'only on Linux';
  const entry = createRequire(import.meta.url).resolve('onnxruntime-node');
  const folder = join(dirname(entry), '..', 'bin', 'napi-v6', platform, arch);
  for (const part of ['shared', provider]) {
    const library = `libonnxruntime_providers_${part}.so`;
    if (!existsSync(join(folder, library))) return `${library} is not installed`;
  }
  return existsSync('/dev/nvidiactl') || existsSync('/dev/nvhost-gpu') || existsSync('/dev/nvmap')
    ? undefined
    : 'no NVIDIA device on this machine';
}

/** Dawn, the WebGPU implementation of onnxruntime, needs a Vulkan driver; a software driver is only useful for tests. */
function limitationOfVulkan(): Limitation {
  const named = env.VK_DRIVER_FILES ?? env.VK_ICD_FILENAMES;
  const drivers = named
    ? named.split(':')
    : ['/etc/vulkan/icd.d', '/usr/share/vulkan/icd.d', '/usr/local/share/vulkan/icd.d'].flatMap((folder) =>
        existsSync(folder) ? readdirSync(folder) : [],
      );
  if (drivers.length === 0) return { absent: 'no Vulkan driver is installed' };
  if (drivers.every((driver) => /lvp|llvmpipe|swiftshader/i.test(driver))) {
    return { slow: 'only a software Vulkan driver is installed' };
  }
  // Distributions install the drivers of all vendors together, including the software one.
  return hasGpu() ? {} : { slow: 'there is no GPU, and Vulkan would run in software' };
}

/** Device nodes of hardware drivers: DRM render nodes, NVIDIA, WSL. */
function hasGpu(): boolean {
  return (
    ['/dev/nvidiactl', '/dev/nvhost-gpu', '/dev/nvmap', '/dev/dxg'].some(existsSync) ||
    (existsSync('/dev/dri') && readdirSync('/dev/dri').some((name) => name.startsWith('renderD')))
  );
}

/** The model without the inference server, which is reserved for the line. */
export function onThisMachine<M extends { readonly provider: 'auto' | Provider | 'remote' }>(model: M): M {
  return model.provider === 'remote' ? { ...model, provider: 'auto' } : model;
}
