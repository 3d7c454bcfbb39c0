/** The preparation with WebAssembly SIMD: runs kernel.wat on its own memory. */
import type { Image } from '../image.ts';
import type { BaseInput } from '../manifest.ts';
import { type Filter, makeFilter } from './filter.ts';
import { kernel } from './kernel.ts';
import { channelOrder, makeTables } from './normalisation.ts';
import type { Preparation } from './preparation.ts';

/** The used part of the WebAssembly API, which is missing in Node's types. */
interface Engine {
  validate(bytes: Uint8Array): boolean;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
}
const engine = (globalThis as { readonly WebAssembly?: Engine }).WebAssembly;

/** kernel.wat documents the parameters and which bytes beyond them are accessed. */
interface Kernel {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  across(
    source: number,
    sourcePitch: number,
    starts: number,
    weights: number,
    pairs: number,
    width: number,
    out: number,
    outPitch: number,
  ): void;
  down(rows: number, pitch: number, weights: number, pairs: number, length: number, out: number): void;
  normalise(
    pixels: number,
    count: number,
    tables: number,
    red: number,
    green: number,
    blue: number,
    step: number,
  ): void;
}

/** A filter in the kernel's format. */
interface Packed {
  /** [to], bytes from the start of a row to each window, for pixels of three bytes. */
  readonly starts: Int32Array;
  /** First sample of each window. */
  readonly first: Int32Array;
  /** [to·pairs·2] */
  readonly weights: Int32Array;
  /** Pairs of weights in each window; those past its end are 0. */
  readonly pairs: number;
}

/** Memory layout for images of one size. */
interface Plan {
  readonly width: number;
  readonly height: number;
  readonly across: Packed;
  readonly down: Packed;
  readonly starts: number;
  readonly acrossWeights: number;
  readonly downWeights: number;
  readonly strip: number;
  readonly rows: number;
  readonly pitch: number;
  readonly bytes: Uint8Array;
  readonly resized: Uint8Array;
  readonly floats: Float32Array;
}

const page = 65_536;
/** Rows that are copied and scaled at a time, so that they stay in the processor cache and the memory stays small. */
const stripRows = 16;
/** Rows that the kernel scales in one call. */
const rowsAtOnce = 4;
const lowBits = 11;
/** Maximum number of bytes that the kernel accesses past an end. */
const slack = 16;

const aligned = (bytes: number) => Math.ceil(bytes / 16) * 16;

const bytes = () => new Uint8Array(Buffer.from(kernel, 'base64'));

/** Whether this processor and this version of Node can run the kernel. */
export const hasVectors = (): boolean => engine?.validate(bytes()) ?? false;

/** Memory grows to the needs of the largest image: its height at the base's width, and sixteen of its rows. */
export function makeVector(input: BaseInput): Preparation {
  const { width, height, layout } = input;
  const { memory, across, down, normalise } = open();
  const plane = width * height;
  const tables = makeTables(input);
  const order = channelOrder(input);
  // In RGB order: the channel of the tensor, and its position.
  const channels = [0, 1, 2].map((channel) => order.indexOf(channel));

  const tablesAt = 0;
  const resizedAt = aligned(tablesAt + 3 * 256 * 4);
  const floatsAt = aligned(resizedAt + plane * 3 + slack);
  const variableAt = aligned(floatsAt + plane * 3 * 4);
  const step = layout === 'NCHW' ? 4 : 12;
  const [red = 0, green = 0, blue = 0] = channels.map(
    (channel) => floatsAt + channel * 4 * (layout === 'NCHW' ? plane : 1),
  );
  reserve(variableAt);
  for (const [channel, place] of channels.entries()) {
    new Float32Array(memory.buffer, tablesAt + channel * 1024, 256).set(tables[place]!);
  }
  let plan: Plan | undefined;

  function reserve(end: number): void {
    const missing = end - memory.buffer.byteLength;
    if (missing > 0) memory.grow(Math.ceil(missing / page));
  }

  function planFor(image: Image): Plan {
    const across = pack(makeFilter(image.width, width));
    const down = pack(makeFilter(image.height, height));
    let end = variableAt;
    const take = (length: number) => {
      const at = end;
      end = aligned(end + length);
      return at;
    };
    const starts = take(across.starts.byteLength);
    const acrossWeights = take(across.weights.byteLength);
    const downWeights = take(down.weights.byteLength);
    const strip = take(stripRows * image.width * 3 + across.pairs * 6 + slack);
    const pitch = aligned(width * 3 + 1);
    // Complete groups of rows, and the rows past the lower edge that windows read with weights of 0.
    const rows = take((image.height + Math.max(rowsAtOnce, 2 * down.pairs)) * pitch + slack);
    reserve(end);
    const { buffer } = memory;
    new Int32Array(buffer, starts, width).set(across.starts);
    new Int32Array(buffer, acrossWeights, across.weights.length).set(across.weights);
    new Int32Array(buffer, downWeights, down.weights.length).set(down.weights);
    return {
      width: image.width,
      height: image.height,
      across,
      down,
      starts,
      acrossWeights,
      downWeights,
      strip,
      rows,
      pitch,
      bytes: new Uint8Array(buffer),
      resized: new Uint8Array(buffer, resizedAt, plane * 3),
      floats: new Float32Array(buffer, floatsAt, plane * 3),
    };
  }

  /** Runs both passes, unless the size is unchanged: a filter of the same size is the identity. */
  function resize(image: Image): Plan {
    if (plan?.width !== image.width || plan.height !== image.height) plan = planFor(image);
    const { strip, rows, pitch, bytes, resized } = plan;
    if (image.width === width && image.height === height) {
      resized.set(image.data);
      return plan;
    }
    const line = image.width * 3;
    for (let y = 0; y < image.height; y += stripRows) {
      const end = Math.min(y + stripRows, image.height);
      bytes.set(image.data.subarray(y * line, end * line), strip);
      for (let row = y; row < end; row += rowsAtOnce) {
        const source = strip + (row - y) * line;
        const { starts, acrossWeights, across: packed } = plan;
        across(source, line, starts, acrossWeights, packed.pairs, width, rows + row * pitch, pitch);
      }
    }
    const { downWeights } = plan;
    const { first, pairs } = plan.down;
    for (let y = 0; y < height; y++) {
      const weights = downWeights + y * pairs * 8;
      down(rows + first[y]! * pitch, pitch, weights, pairs, width * 3, resizedAt + y * width * 3);
    }
    return plan;
  }

  return {
    resize: (image) => resize(image).resized,
    fill(image, tensor) {
      const { floats } = resize(image);
      normalise(resizedAt, plane, tablesAt, red, green, blue, step);
      tensor.set(floats);
    },
  };
}

function open(): Kernel {
  return new engine!.Instance(new engine!.Module(bytes())).exports as Kernel;
}

function pack({ first, count, weights, stride }: Filter): Packed {
  const pairs = Math.ceil(count.reduce((max, one) => Math.max(max, one)) / 2);
  const packed = new Int32Array(first.length * pairs * 2);
  const low = (1 << lowBits) - 1;
  for (let at = 0, out = 0; at < first.length; at++) {
    const weight = (k: number) => (k < count[at]! ? weights[at * stride + k]! : 0);
    for (let k = 0; k < 2 * pairs; k += 2) {
      packed[out++] = (weight(k) >> lowBits) | ((weight(k + 1) >> lowBits) << 16);
      packed[out++] = (weight(k) & low) | ((weight(k + 1) & low) << 16);
    }
  }
  return { starts: first.map((pixel) => pixel * 3), first, weights: packed, pairs };
}
