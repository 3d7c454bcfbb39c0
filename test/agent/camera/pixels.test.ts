import { closeSync, existsSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { expect, it } from 'vitest';
import { openPixelFile, readPixels, writePixels } from '../../../agent/camera/node-av/pixels.ts';
import type { Image } from '../../../models/image.ts';

function filled(width: number, height: number, value: number): Image {
  return { width, height, data: new Uint8Array(width * height * 3).fill(value) };
}

it('transfers the images of each slot, also after larger ones, and keeps images that were read', () => {
  const file = openPixelFile();
  try {
    writePixels(file, 0, [filled(40, 30, 1), filled(8, 6, 2)]);
    writePixels(file, 1, [filled(20, 10, 3)]);
    const first = readPixels(file, 0, [
      { width: 40, height: 30 },
      { width: 8, height: 6 },
    ]);
    writePixels(file, 0, [filled(10, 10, 4)]);
    const [second] = readPixels(file, 1, [{ width: 20, height: 10 }]);
    const [third] = readPixels(file, 0, [{ width: 10, height: 10 }]);
    const plain = [...first, second!, third!].map(({ width, height, data }) => ({
      width,
      height,
      values: [...new Set(data)],
    }));
    expect(plain).toEqual([
      { width: 40, height: 30, values: [1] },
      { width: 8, height: 6, values: [2] },
      { width: 20, height: 10, values: [3] },
      { width: 10, height: 10, values: [4] },
    ]);
  } finally {
    closeSync(file);
  }
});

const folder = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

it('has no name under which another process could open it, and leaves nothing behind', () => {
  const before = readdirSync(folder).filter((name) => name.startsWith('qc-agent-'));
  const file = openPixelFile();
  const after = readdirSync(folder).filter((name) => name.startsWith('qc-agent-'));
  closeSync(file);
  expect(after).toEqual(before);
});

it('refuses pixels that were announced but not written', () => {
  const file = openPixelFile();
  try {
    expect(() => readPixels(file, 1, [{ width: 20, height: 10 }])).toThrow(/20 × 10 pixels were announced/);
  } finally {
    closeSync(file);
  }
});
