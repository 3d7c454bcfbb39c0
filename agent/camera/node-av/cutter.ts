import type { Frame } from 'node-av/lib';
import type { Image } from '../../../models/image.ts';
import {
  type Delivery,
  deliveredSize,
  previewSize,
  type Rectangle,
  regionPixels,
  type Size,
} from '../geometry.ts';
import { frameSize, type Scan, usedSize } from '../interlaced.ts';
import { type Chain, formatOf, isRgb, isSubsampled, openChain } from './chain.ts';

/** Cuts and converts the frames of one size and format; each size and format needs its own cutter. */
export interface Cutter extends Disposable {
  /** Whether it can cut this frame; `scan` as given to `openCutter`. */
  fits(frame: Frame, scan: Scan): boolean;
  /** Whether its frames have the size of this one. */
  sized(frame: Size): boolean;
  /** The region, RGB. */
  cut(frame: Frame): Image;
  /** The whole image, RGB, at most 480 wide. */
  preview(frame: Frame): Image;
}

/** Exact rounding and full chroma: colours are correct to about one level. */
const SCALE_FLAGS = 'flags=bilinear+accurate_rnd+full_chroma_int+full_chroma_inp';

/**
 * Opens a cutter for frames like this one. Matrix (BT.601, BT.709 …) and range (full, limited) are those the
 * frame declares; an undeclared matrix is BT.601 and an undeclared range is limited, as in swscale. For interlaced video
 * only the upper field is used, because the two fields show a moving part at different places. Sizes remain those of the
 * frame.
 * @throws QcError camera-region
 */
export function openCutter(like: Frame, { region, shorterSide }: Delivery, scan: Scan): Cutter {
  const { width, height, colorRange, colorSpace } = like;
  const format = like.format;
  const whole = frameSize(like, scan);
  const used = usedSize(like, scan);
  const subsampled = isSubsampled(formatOf(like));
  const cut = rgbChain(like, {
    scan,
    area: regionPixels(region, used, subsampled),
    size: deliveredSize(regionPixels(region, whole, subsampled), shorterSide),
  });
  let preview: Chain | undefined;
  const sized = (frame: Size) => frame.width === width && frame.height === height;
  return {
    sized,
    fits: (frame, wanted) =>
      wanted === scan &&
      sized(frame) &&
      frame.format === format &&
      frame.colorRange === colorRange &&
      frame.colorSpace === colorSpace,
    cut: (frame) => cut.run(frame, imageOf),
    preview(frame) {
      preview ??= rgbChain(frame, { scan, area: { x: 0, y: 0, ...used }, size: previewSize(whole) });
      return preview.run(frame, imageOf);
    },
    [Symbol.dispose]() {
      cut[Symbol.dispose]();
      preview?.[Symbol.dispose]();
    },
  };
}

/** Crops and scales to RGB. */
function rgbChain(like: Frame, { scan, area, size }: { scan: Scan; area: Rectangle; size: Size }): Chain {
  // swscale has SIMD code for full chroma only with planar output: planar first, then packed, takes half the time.
  const formats = isRgb(formatOf(like)) ? ['rgb24'] : ['gbrp', 'rgb24'];
  return openChain(like, {
    scan,
    area,
    size,
    steps: formats.map((format) => ({ format, scale: SCALE_FLAGS })),
  });
}

const imageOf = (frame: Frame): Image => ({
  width: frame.width,
  height: frame.height,
  data: frame.toBuffer(),
});
