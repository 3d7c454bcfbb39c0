import {
  AVCOL_RANGE_UNSPECIFIED,
  AVCOL_SPC_UNSPECIFIED,
  type AVPixelFormat,
  AV_BUFFERSRC_FLAG_KEEP_REF as KEEP_REF,
} from 'node-av/constants';
import { avGetPixFmtName, FFmpegError, Filter, FilterGraph, Frame } from 'node-av/lib';
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
const SCALE_FLAGS = 'bilinear+accurate_rnd+full_chroma_int+full_chroma_inp';

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
  const cut = openChain(like, {
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
    cut: (frame) => cut.run(frame),
    preview(frame) {
      preview ??= openChain(frame, { scan, area: { x: 0, y: 0, ...used }, size: previewSize(whole) });
      return preview.run(frame);
    },
    [Symbol.dispose]() {
      cut[Symbol.dispose]();
      preview?.[Symbol.dispose]();
    },
  };
}

interface Chain extends Disposable {
  run(frame: Frame): Image;
}

/** A libavfilter graph: field selection if needed, crop (both without a copy), scale, RGB. */
function openChain(like: Frame, { scan, area, size }: { scan: Scan; area: Rectangle; size: Size }): Chain {
  const graph = new FilterGraph();
  graph.alloc();
  graph.nbThreads = 1;
  let count = 0;
  const add = (name: string, args: string) => {
    const filter = Filter.getByName(name);
    const context = filter && graph.createFilter(filter, `${name}${count++}`, args);
    if (!context) throw new Error(`FFmpeg has no working filter ${name}=${args}`);
    return context;
  };
  // swscale has SIMD code for full chroma only with planar output: planar first, then packed, takes half the time.
  const steps = isRgb(formatOf(like)) ? ['rgb24'] : ['gbrp', 'rgb24'];
  const source = add(
    'buffer',
    [
      `video_size=${like.width}x${like.height}`,
      `pix_fmt=${formatOf(like)}`,
      'time_base=1/90000',
      ...(like.colorSpace === AVCOL_SPC_UNSPECIFIED ? [] : [`colorspace=${like.colorSpace}`]),
      ...(like.colorRange === AVCOL_RANGE_UNSPECIFIED ? [] : [`range=${like.colorRange}`]),
    ].join(':'),
  );
  const links = [
    source,
    ...(scan === 'woven' ? [add('field', 'type=top')] : []),
    add('crop', `w=${area.width}:h=${area.height}:x=${area.x}:y=${area.y}:exact=1`),
    ...steps.flatMap((format) => [
      add('scale', `w=${size.width}:h=${size.height}:flags=${SCALE_FLAGS}`),
      add('format', `pix_fmts=${format}`),
    ]),
    add('buffersink', ''),
  ];
  for (const [index, from] of links.entries()) {
    const to = links[index + 1];
    if (to) FFmpegError.throwIfError(from.link(0, to, 0), 'linking filters');
  }
  FFmpegError.throwIfError(graph.configSync(), 'configuring filters');
  const sink = links.at(-1)!;
  const out = new Frame();
  out.alloc();
  return {
    run(frame) {
      FFmpegError.throwIfError(source.buffersrcAddFrameSync(frame, KEEP_REF), 'filtering');
      FFmpegError.throwIfError(sink.buffersinkGetFrameSync(out), 'filtering');
      const image = { width: out.width, height: out.height, data: out.toBuffer() };
      out.unref();
      return image;
    },
    [Symbol.dispose]() {
      out.free();
      graph.free();
    },
  };
}

function formatOf(frame: Frame): string {
  return avGetPixFmtName(frame.format as AVPixelFormat) ?? '';
}

const isRgb = (format: string) => /rgb|bgr|gbr/.test(format);

/** Whether neighbouring pixels share chroma, so that the edges of a cut must be at even pixels. */
const isSubsampled = (format: string) => !isRgb(format) && !/444|gray/.test(format);
