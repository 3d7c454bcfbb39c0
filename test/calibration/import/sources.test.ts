import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import sharp from 'sharp';
import { expect, test } from 'vitest';
import { decodeBmp } from '../../../models/prepare/bmp.ts';
import { tempFolder } from '../../models/temp-folder.ts';
import {
  accountOf,
  drawn,
  imageHeight,
  images,
  imageWidth,
  lay,
  png,
  reasonsOf,
  take,
  zipOf,
} from '../../rigs/image-folders.ts';

test('symbolic links are reported, and followed with an option; a loop ends', async () => {
  await using folder = await tempFolder();
  const at = (name: string) => join(folder.path, name);
  await lay(at('store'), await images('hole/1.png', 'g/2.png'));
  await lay(at('in'), { 'scratch/3.png': await png(3) });
  await mkdir(at('in/good'));
  await symlink(at('store/g/2.png'), at('in/good/2.png'));
  await symlink(at('store/hole'), at('in/hole'));
  await symlink(at('in'), at('in/scratch/loop'));
  await symlink(at('nowhere'), at('in/scratch/broken.png'));
  await symlink('self.png', at('in/scratch/self.png'));

  const reported = await take(at('in'));
  expect(reported).toMatchObject({ found: 6, added: 1, inDataset: ['scratch'] });
  const notFollowed = 'symbolic link, not followed: --follow-links reads what it leads to';
  expect(reasonsOf(reported)).toEqual({
    'good/2.png': notFollowed,
    hole: notFollowed,
    'scratch/loop': notFollowed,
    'scratch/broken.png': 'symbolic link that leads nowhere',
    'scratch/self.png': 'symbolic link that leads to itself',
  });
  const followed = await take(at('in'), { followLinks: true, storage: at('storage2') });
  expect(followed.inDataset).toEqual(['good', 'hole', 'scratch']);
  expect(reasonsOf(followed)['scratch/loop']).toBe('symbolic link to a folder that it lies in');
  for (const taken of [reported, followed]) expect(accountOf(taken)).toBe(taken.found);
});

test('other files between the images are reported', async () => {
  await using folder = await tempFolder();
  await lay(join(folder.path, 'in'), {
    ...(await images('good/1.png', 'scratch/2.png', '.git/good/3.png', 'good/.ipynb_checkpoints/1.png')),
    'good/Thumbs.db': 'x',
    'good/desktop.ini': 'x',
    'good/._1.png': 'x',
    'good/.DS_Store': 'x',
    'more.zip': 'x',
    'readme.txt': 'x',
    'labels.xlsx': 'x',
    'good/empty.png': '',
  });
  const taken = await take(join(folder.path, 'in'));
  expect(taken.inDataset).toEqual(['good', 'scratch']);
  expect(accountOf(taken)).toBe(taken.found);
  expect(reasonsOf(taken)).toEqual({
    '.git': 'hidden folder, not opened',
    'good/.ipynb_checkpoints': 'hidden folder, not opened',
    'good/Thumbs.db': 'left by Windows, not an image',
    'good/desktop.ini': 'left by Windows, not an image',
    'good/._1.png': 'left by macOS, not an image',
    'good/.DS_Store': 'hidden file',
    'more.zip': 'an archive inside: unpack it first',
    'readme.txt': 'no image, and no annotations that are read',
    'labels.xlsx': 'no image, and no annotations that are read',
    'good/empty.png': 'the file is empty (0 bytes)',
  });
});

/** Replaces names in a zip byte by byte, because the writer does not allow such names. */
async function renamed(file: string, from: string, to: string): Promise<void> {
  const bytes = await readFile(file);
  await writeFile(file, Buffer.from(bytes.toString('latin1').replaceAll(from, to), 'latin1'));
}

test('zips of Windows and macOS are read with all their encodings of names', async () => {
  await using folder = await tempFolder();
  const file = (name: string) => join(folder.path, name);
  const two = await images('in/good/1.png', 'in/Gr@te/2.png');
  await zipOf(file('backslash.zip'), two);
  await renamed(file('backslash.zip'), 'in/good/1.png', 'in\\good\\1.png');
  await renamed(file('backslash.zip'), 'in/Gr@te/2.png', 'in\\hole1\\2.png');
  expect((await take(file('backslash.zip'))).inDataset).toEqual(['good', 'hole1']);

  await zipOf(file('cp437.zip'), two);
  await renamed(file('cp437.zip'), 'Gr@te', 'Gr\x84te');
  await clearUtf8Flag(file('cp437.zip'));
  expect((await take(file('cp437.zip'))).inDataset).toEqual(['Gräte', 'good']);

  await zipOf(file('mac.zip'), {
    ...(await images('P/good/1.JPG', 'P/Größe@@/2.PNG')),
    '__MACOSX/P/good/._1.JPG': 'x',
  });
  await renamed(file('mac.zip'), '@@', Buffer.from('\u0308').toString('latin1'));
  await clearUtf8Flag(file('mac.zip'));
  const mac = await take(file('mac.zip'));
  expect(mac.inDataset).toEqual(['Größë'.normalize('NFC'), 'good']);
  expect(reasonsOf(mac)).toEqual({ '__MACOSX/P/good/._1.JPG': 'left by macOS, not an image' });
});

test('links, encrypted files and repeated names in a zip are reported', async () => {
  await using folder = await tempFolder();
  const file = join(folder.path, 'a.zip');
  await zipOf(file, await images('good/1.png', 'good/2.png', 'good/3.png', 'good/4.png', 'scratch/5.png'));
  await renamed(file, 'good/2.png', 'good/1.png');
  const bytes = await readFile(file);
  for (let at = bytes.indexOf('PK\x01\x02'); at !== -1; at = bytes.indexOf('PK\x01\x02', at + 4)) {
    const name = bytes.toString('latin1', at + 46, at + 46 + bytes.readUInt16LE(at + 28));
    if (name === 'good/3.png') bytes.writeUInt32LE((0o120777 << 16) >>> 0, at + 38);
    if (name === 'good/4.png') bytes.writeUInt16LE(bytes.readUInt16LE(at + 8) | 1, at + 8);
  }
  await writeFile(file, bytes);
  const taken = await take(file);
  expect(taken).toMatchObject({ found: 5, added: 2, inDataset: ['good', 'scratch'] });
  expect(reasonsOf(taken)).toEqual({
    'good/1.png': 'its name occurs twice in the zip',
    'good/3.png': expect.stringContaining('symbolic link inside a zip'),
    'good/4.png': expect.stringContaining('encrypted'),
  });
});

async function clearUtf8Flag(file: string): Promise<void> {
  const bytes = await readFile(file);
  for (const [mark, flagsAt] of [
    ['PK\x01\x02', 8],
    ['PK\x03\x04', 6],
  ] as const) {
    for (let at = bytes.indexOf(mark); at !== -1; at = bytes.indexOf(mark, at + 4)) {
      bytes.writeUInt16LE(bytes.readUInt16LE(at + flagsAt) & ~0x800, at + flagsAt);
    }
  }
  await writeFile(file, bytes);
}

/** Grey values with this number of bits. */
function deep(bits: number): Uint16Array {
  const values = new Uint16Array(imageWidth * imageHeight).map((_, i) => (i * 37) % 2 ** bits);
  values[0] = 2 ** bits - 1;
  return values;
}

const raw = { width: imageWidth, height: imageHeight, channels: 1 } as const;
const deepPng = (bits: number) => sharp(deep(bits), { raw }).toColourspace('grey16').png().toBuffer();

/** A grey TIFF without compression; sample format 1 is unsigned, 3 a float. */
function tiffOf(values: Uint16Array | Float32Array, sampleFormat: 1 | 3): Buffer {
  const tags = [
    [256, imageWidth],
    [257, imageHeight],
    [258, values.BYTES_PER_ELEMENT * 8],
    [259, 1],
    [262, 1],
    [273, 8 + 2 + 10 * 12 + 4],
    [277, 1],
    [278, imageHeight],
    [279, values.byteLength],
    [339, sampleFormat],
  ] as const;
  const head = Buffer.alloc(8 + 2 + tags.length * 12 + 4);
  head.write('II*\0', 'latin1');
  head.writeUInt32LE(8, 4);
  head.writeUInt16LE(tags.length, 8);
  for (const [i, [tag, value]] of tags.entries()) {
    const at = 10 + i * 12;
    head.writeUInt16LE(tag, at);
    head.writeUInt16LE(4, at + 2);
    head.writeUInt32LE(1, at + 4);
    head.writeUInt32LE(value, at + 8);
  }
  return Buffer.concat([head, Buffer.from(values.buffer, values.byteOffset, values.byteLength)]);
}

test('formats are read, or refused with a remedy', async () => {
  await using folder = await tempFolder();
  const pages = await sharp([await png(20), await png(21)], { join: { animated: true } })
    .gif()
    .toBuffer();
  const still = await png(22);
  const control = Buffer.from('\0\0\0\x08acTL\0\0\0\x02\0\0\0\0', 'latin1');
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(control.subarray(4)));
  // After the signature and the header.
  const animatedPng = Buffer.concat([still.subarray(0, 33), control, sum, still.subarray(33)]);
  const heic = Buffer.from(`\0\0\0\x18ftypheic\0\0\0\0${'x'.repeat(60)}`, 'latin1');
  await lay(join(folder.path, 'in'), {
    'good/a.jfif': await drawn(1).jpeg().toBuffer(),
    'good/b.TIF': await drawn(2).tiff().toBuffer(),
    'good/c.tiff': tiffOf(deep(16), 1),
    'good/d.webp': await drawn(3).webp().toBuffer(),
    'good/e.avif': await drawn(4).avif().toBuffer(),
    'good/f.gif': await drawn(5).gif().toBuffer(),
    'good/tiff-named.jpg': await drawn(6).tiff().toBuffer(),
    'good/cmyk.jpg': await drawn(7).toColourspace('cmyk').jpeg().toBuffer(),
    'good/gray.png': await drawn(8).greyscale().png().toBuffer(),
    'scratch/alpha.png': await drawn(9).ensureAlpha(0.5).png().toBuffer(),
    'scratch/animated.gif': pages,
    'scratch/animated.png': animatedPng,
    'scratch/phone.heic': heic,
    'scratch/half.jpg': (await drawn(10).jpeg().toBuffer()).subarray(0, 250),
    'scratch/half.tif': (await drawn(11).tiff().toBuffer()).subarray(0, 100),
    'scratch/float.tif': tiffOf(new Float32Array(imageWidth * imageHeight).fill(0.5), 3),
    'scratch/classes.png': await sharp(Buffer.alloc(64, 2), { raw: { width: 8, height: 8, channels: 1 } })
      .png()
      .toBuffer(),
    'scratch/drawing.svg': '<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>',
    'scratch/t': await png(12),
  });
  const taken = await take(join(folder.path, 'in'));
  expect(accountOf(taken)).toBe(taken.found);
  expect(taken.labels).toEqual([
    { label: 'good', count: 9, good: true },
    { label: 'scratch', count: 1, good: false },
  ]);
  expect(taken.notes).toEqual([
    'scratch/alpha.png: has transparent pixels: read with the colour that is stored below',
  ]);
  expect(reasonsOf(taken)).toEqual({
    'scratch/animated.gif': expect.stringContaining('holds 2 frames (animated)'),
    'scratch/animated.png': expect.stringContaining('holds several frames (animated)'),
    'scratch/phone.heic': 'HEIC is not read: save it as PNG or JPEG',
    'scratch/half.jpg': expect.stringContaining('cannot be read'),
    'scratch/half.tif': expect.stringContaining('cannot be read'),
    'scratch/float.tif': expect.stringContaining('has values of type float'),
    'scratch/classes.png': expect.stringContaining('nearly black: its largest value is 2 of 255'),
    'scratch/drawing.svg': 'SVG is not read: save it as PNG or JPEG',
    'scratch/t': 'no image',
  });
});

test('12 bits in 16 are refused with a remedy, because they would become nearly black', async () => {
  await using folder = await tempFolder();
  await lay(join(folder.path, 'in'), {
    'good/a.png': await deepPng(12),
    'good/b.tif': tiffOf(deep(10), 1),
    'scratch/c.png': await deepPng(16),
  });
  const refused = await take(join(folder.path, 'in'));
  expect(refused.inDataset).toEqual(['scratch']);
  expect(reasonsOf(refused)).toEqual({
    'good/a.png': expect.stringMatching(/16 bits and uses 12 of them \(largest value 4095\).* --bits 12/),
    'good/b.tif': expect.stringMatching(/uses 10 of them.* --bits 10/),
  });
  const storage = join(folder.path, 'scaled');
  const scaled = await take(join(folder.path, 'in'), { bits: 12, storage });
  expect(scaled.inDataset).toEqual(['good', 'good']);
  expect(reasonsOf(scaled)['scratch/c.png']).toMatch(/uses 16 bits \(largest value 65535\), not 12/);
});

test('bitmaps of 1 and 4 bits are read with their palette', () => {
  const palette = [[10, 20, 30], [200, 210, 220], ...Array.from({ length: 14 }, (_, i) => [i, i, i])];
  for (const [bits, row] of [
    [1, [0b0110_0000]],
    [4, [0x01, 0x10, 0x00]],
  ] as const) {
    const colours = palette.slice(0, 2 ** bits).flatMap(([r, g, b]) => [b!, g!, r!, 0]);
    const head = Buffer.alloc(54);
    head.write('BM');
    head.writeUInt32LE(54 + colours.length, 10);
    head.writeUInt32LE(40, 14);
    head.writeInt32LE(5, 18);
    head.writeInt32LE(-1, 22);
    head.writeUInt16LE(bits, 28);
    const { width, height, data } = decodeBmp(
      Buffer.concat([head, Buffer.from(colours), Buffer.from(row), Buffer.alloc(4 - row.length)]),
      100,
    );
    expect([bits, width, height]).toEqual([bits, 5, 1]);
    const [dark, light] = palette as [number[], number[]];
    expect([...data]).toEqual([dark, light, light, dark, dark].flat());
  }
});
