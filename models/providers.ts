/** Which execution providers this machine can have, asked without waking them: a missing one must not cost red lines. */
import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { arch, env, platform } from 'node:process';

export const providers = ['tensorrt', 'cuda', 'webgpu', 'cpu'] as const;
export type Provider = (typeof providers)[number];

/** Why a provider cannot be had here, in a few words; undefined where it is worth trying. */
export function whyAbsent(provider: Provider): string | undefined {
  switch (provider) {
    case 'cpu':
      return undefined;
    case 'webgpu':
      return platform === 'linux' ? whyNoVulkan() : undefined;
    case 'cuda':
    case 'tensorrt':
      return whyNoLibrary(provider);
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

/** Dawn, which onnxruntime's WebGPU stands on, needs a Vulkan driver; a software one is slower than the CPU provider. */
function whyNoVulkan(): string | undefined {
  const named = env.VK_DRIVER_FILES ?? env.VK_ICD_FILENAMES;
  const drivers = named
    ? named.split(':')
    : ['/etc/vulkan/icd.d', '/usr/share/vulkan/icd.d', '/usr/local/share/vulkan/icd.d'].flatMap((folder) =>
        existsSync(folder) ? readdirSync(folder) : [],
      );
  if (drivers.length === 0) return 'no Vulkan driver is installed';
  return drivers.every((driver) => /lvp|llvmpipe|swiftshader/i.test(driver))
    ? 'only a software Vulkan driver is installed'
    : undefined;
}
