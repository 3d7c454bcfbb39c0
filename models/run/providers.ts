/** Which execution providers this machine can have, asked without waking them: a missing one must not cost red lines. */
import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { arch, env, platform } from 'node:process';
import type { Precision } from '../manifest.ts';

export const providers = ['tensorrt', 'cuda', 'webgpu', 'cpu'] as const;
export type Provider = (typeof providers)[number];

/** Which runtime a picture went through, and in which form of the base. */
export interface RanOn {
  readonly provider: Provider | 'remote';
  readonly precision: Precision;
}

/** What speaks against a provider here, in a few words; neither where it is worth trying. */
export interface Doubt {
  /** It cannot run. */
  readonly absent?: string | undefined;
  /** It would run slower than the CPU provider: only for who names it. */
  readonly slow?: string;
}

export function doubt(provider: Provider): Doubt {
  switch (provider) {
    case 'cpu':
      return {};
    case 'webgpu':
      return platform === 'linux' ? doubtOfVulkan() : {};
    case 'cuda':
    case 'tensorrt':
      return { absent: whyNoLibrary(provider) };
  }
}

/** onnxruntime loads these from beside its binding; without them it prints errors and throws. */
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

/** Dawn, which onnxruntime's WebGPU stands on, needs a Vulkan driver; one that computes in software is of use only for tests. */
function doubtOfVulkan(): Doubt {
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
  // Distributions install the drivers of all makers together, the one in software among them.
  return hasGpu() ? {} : { slow: 'no GPU is here, and Vulkan would compute in software' };
}

/** Device nodes that a driver in hardware opens: DRM render nodes, NVIDIA's own, WSL's. */
function hasGpu(): boolean {
  return (
    ['/dev/nvidiactl', '/dev/nvhost-gpu', '/dev/nvmap', '/dev/dxg'].some(existsSync) ||
    (existsSync('/dev/dri') && readdirSync('/dev/dri').some((name) => name.startsWith('renderD')))
  );
}

/** The same model on this machine alone: what is not for the line leaves the inference server to the line. */
export function onThisMachine<M extends { readonly provider: 'auto' | Provider | 'remote' }>(model: M): M {
  return model.provider === 'remote' ? { ...model, provider: 'auto' } : model;
}
