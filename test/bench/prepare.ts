import { AV_PIX_FMT_RGB24, SWS_ACCURATE_RND, SWS_BILINEAR, type SwsFlags } from 'node-av/constants';
import { SoftwareScaleContext } from 'node-av/lib';
import sharp from 'sharp';
import type { Image } from '../../models/image.ts';
import { makePlain } from '../../models/prepare/plain.ts';
import { makeVector } from '../../models/prepare/vector.ts';
import { formulaImage } from '../models/formula-image.ts';
import { cpuMs } from './cpu-ms.ts';
import { type Benchmark, median, type Row } from './harness.ts';
import { compareInputs } from './uint8-input.ts';

const rounds = 5;
/** The second is the size of the images of a camera with 1280×720 or 1920×1080 (agent/camera/geometry.ts). */
const sizes = [
  [224, 224],
  [569, 320],
  [640, 480],
  [1280, 720],
  [1920, 1080],
] as const;

/**
 * Conversion of an image to the input tensor of the base: CPU time, and the differences of several scalers from the
 * reference.
 */
export const prepare: Benchmark = {
  name: 'prepare',
  async run({ base, seconds }) {
    sharp.concurrency(1);
    const float = await base('fp32');
    const { input } = float.manifest;
    const plain = makePlain(input);
    const vector = makeVector(input);
    const tensor = new Float32Array(3 * input.width * input.height);
    const rows: Row[] = [];
    for (const [width, height] of sizes) {
      const image = smooth(formulaImage(width, height));
      const scaler = new SoftwareScaleContext();
      scaler.allocContext();
      scaler.getContext(
        ...([width, height, AV_PIX_FMT_RGB24, input.width, input.height, AV_PIX_FMT_RGB24] as const),
        (SWS_BILINEAR | SWS_ACCURATE_RND) as SwsFlags,
      );
      const scaled = Buffer.alloc(3 * input.width * input.height);
      const ways = {
        'plain JavaScript, resize and normalise': () => plain.fill(image, tensor),
        'plain JavaScript, resize alone': () => plain.resize(image),
        'WebAssembly vectors, resize and normalise': () => vector.fill(image, tensor),
        'WebAssembly vectors, resize alone': () => vector.resize(image),
        'sharp (libvips), kernel linear, resize alone': () => withSharp(image, input),
        'swscale, bilinear, resize alone': () => {
          const source = Buffer.from(image.data.buffer, image.data.byteOffset, image.data.length);
          scaler.scaleSync([source], [width * 3], 0, height, [scaled], [input.width * 3]);
          return scaled;
        },
      };
      const figures = new Map(Object.keys(ways).map((way) => [way, [] as number[]]));
      for (let round = 0; round <= rounds; round++) {
        for (const [way, call] of Object.entries(ways)) {
          const ms = await cpuMs(call);
          // The first one warms up.
          if (round > 0) figures.get(way)!.push(ms);
        }
      }
      const size = `${width}×${height}`;
      for (const [way, all] of figures) {
        rows.push({ what: `${size}: ${way}`, figure: median(all), unit: 'ms CPU' });
      }
      const reference = plain.resize(image).slice();
      const others = {
        'WebAssembly vectors': vector.resize(image),
        sharp: await ways['sharp (libvips), kernel linear, resize alone'](),
        swscale: ways['swscale, bilinear, resize alone'](),
      };
      for (const [way, pixels] of Object.entries(others)) {
        rows.push({
          what: `${size}: ${way}: largest difference from Pillow`,
          figure: reference.reduce((most, value, at) => Math.max(most, Math.abs(value - pixels[at]!)), 0),
          unit: 'levels',
          ...(way === 'WebAssembly vectors' && { target: { atMost: 0 } }),
        });
      }
      scaler.freeContext();
    }
    for (const [name, one] of [['float', float] as const, ['int8', await base('int8')] as const]) {
      const compared = await compareInputs(one, seconds);
      rows.push(
        { what: `${name} base, float input: normalise and run`, figure: compared.float, unit: 'ms CPU' },
        {
          what: `${name} base, uint8 input, normalised in the graph`,
          figure: compared.uint8,
          unit: 'ms CPU',
        },
        {
          what: `${name} base: uint8 input saves`,
          figure: 100 * (1 - compared.uint8 / compared.float),
          unit: '%',
        },
      );
    }
    return rows;
  },
};

/** A smoothed image, which is closer to a camera's than noise. */
function smooth({ width, height, data }: Image): Image {
  const wave = (x: number, y: number, c: number) =>
    128 + 70 * Math.sin(x / 19 + c) * Math.cos(y / 23) + 40 * Math.sin((x + 2 * y) / 7);
  const blended = data.map((noise, at) => {
    const pixel = Math.floor(at / 3);
    return Math.round(wave(pixel % width, Math.floor(pixel / width), at % 3) + (noise - 128) / 16);
  });
  return { width, height, data: blended };
}

async function withSharp({ data, ...size }: Image, { width, height }: { width: number; height: number }) {
  return sharp(data, { raw: { ...size, channels: 3 } })
    .resize(width, height, { fit: 'fill', kernel: 'linear' })
    .raw()
    .toBuffer();
}
