import { afterEach, describe, expect, test, vi } from 'vitest';
import { executionProviders } from '../../../models/run/onnx-session.ts';
import { limitationOf } from '../../../models/run/providers.ts';
import { openSession } from '../../../models/run/session.ts';
import { tempFolder } from '../temp-folder.ts';
import { writeTiny } from '../tiny-model.ts';

afterEach(() => void vi.unstubAllEnvs());

describe('a Vulkan driver that computes in software', () => {
  test('is never chosen automatically', async () => {
    vi.stubEnv('VK_DRIVER_FILES', '/usr/share/vulkan/icd.d/lvp_icd.x86_64.json');
    await using folder = await tempFolder();
    const base = await writeTiny(folder.path);
    await using session = await openSession({ base, precision: 'auto', provider: 'auto', threads: 1 });
    expect(session.facts.why).toContain('webgpu: only a software Vulkan driver is installed');
    expect(session.facts.provider).not.toBe('webgpu');
  });

  test('is recognised by its name, and a missing driver is reported', () => {
    const slow = 'only a software Vulkan driver is installed';
    for (const file of ['lvp_icd.json', 'vk_swiftshader_icd.json', 'lvp_icd.json:llvmpipe.json']) {
      vi.stubEnv('VK_DRIVER_FILES', file);
      expect(limitationOf('webgpu')).toEqual({ slow });
    }
    expect(limitationOf('cpu')).toEqual({});
  });
});

describe('the options of the binding', () => {
  test('the device for CUDA and TensorRT, and CUDA for operators that TensorRT does not support', () => {
    expect(executionProviders('cuda', { deviceId: 1 })).toEqual([{ name: 'cuda', deviceId: 1 }]);
    expect(executionProviders('tensorrt', { deviceId: 1 })).toEqual([
      { name: 'tensorrt', deviceId: 1 },
      { name: 'cuda', deviceId: 1 },
    ]);
  });

  test('no option that WebGPU or the CPU would refuse', () => {
    expect(executionProviders('webgpu', { deviceId: 1 })).toEqual(['webgpu']);
    expect(executionProviders('cpu', { deviceId: 1 })).toEqual(['cpu']);
  });
});
