/** Real WebGPU on Chromium's software Vulkan driver (SwiftShader): slow, but with the same Dawn, threads and shaders. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { encodeModel } from '../../models/onnx/proto.ts';
import { tempFolder } from './temp-folder.ts';
import { tinyClassifier, tinyManifest, writeTiny } from './tiny-model.ts';

const driver = '/usr/lib/chromium/vk_swiftshader_icd.json';
const loaders = ['/usr/lib/x86_64-linux-gnu/libvulkan.so.1', '/usr/lib/aarch64-linux-gnu/libvulkan.so.1'];
const missing = existsSync(driver)
  ? loaders.some(existsSync)
    ? undefined
    : "there is no libvulkan.so.1 (Debian's libvulkan1)"
  : `there is no ${driver} (Debian's chromium)`;
if (missing) console.log(`skipped: ${missing}`);

const script = fileURLToPath(new URL('./runs-on-webgpu.js', import.meta.url));

function run(base: string, ending: 'closes' | 'exits') {
  const env = { ...process.env, VK_DRIVER_FILES: driver };
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [script, base, ending], {
    encoding: 'utf8',
    env,
  });
  if (stdout === '') throw new Error(`it ended with ${status ?? signal} and said nothing: ${stderr}`);
  return { status, signal, said: JSON.parse(stdout) };
}

/** The base of `writeTiny` as its own fp16 variant: the test covers the choice, not the arithmetic. */
async function writeHalf(folder: string, variantOf: string): Promise<void> {
  const bytes = encodeModel(tinyClassifier());
  await copyFile(join(folder, 'tiny.onnx'), join(folder, 'tiny.fp16.onnx'));
  const manifest = tinyManifest(bytes, { file: 'tiny.fp16.onnx', precision: 'fp16', variantOf });
  await writeFile(join(folder, 'tiny.fp16.json'), JSON.stringify(manifest));
}

describe.skipIf(missing !== undefined)('WebGPU by configuration', () => {
  const notice = 'a GPU: only a software Vulkan driver is installed, slower than the CPU provider';

  test('passes the warm-up, gives the features of the CPU in runs of several images, and its thread ends', async () => {
    await using folder = await tempFolder();
    expect(run(await writeTiny(folder.path), 'closes')).toEqual({
      status: 0,
      signal: null,
      said: {
        provider: 'webgpu',
        precision: 'fp32',
        batch: 4,
        why: [notice],
        failures: Array(9).fill(null),
        batches: [4, 4, 4, 4, 4, 4, 4, 4, 1],
      },
    });
  });

  test('a process that exits while it runs keeps its exit code', async () => {
    await using folder = await tempFolder();
    expect(run(await writeTiny(folder.path), 'exits')).toMatchObject({ status: 7, signal: null });
  });

  test('uses the fp16 variant of this base, and no other', async () => {
    await using folder = await tempFolder();
    const base = await writeTiny(folder.path);
    await writeHalf(folder.path, tinyManifest(encodeModel(tinyClassifier())).sha256);
    expect(run(base, 'closes')).toMatchObject({ status: 0, said: { precision: 'fp16' } });
    await writeHalf(folder.path, '0'.repeat(64));
    expect(run(base, 'closes')).toMatchObject({ status: 0, said: { precision: 'fp32', why: [notice] } });
  });
});
