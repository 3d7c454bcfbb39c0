import {
  AVCOL_RANGE_UNSPECIFIED,
  AVCOL_SPC_UNSPECIFIED,
  type AVPixelFormat,
  AV_BUFFERSRC_FLAG_KEEP_REF as KEEP_REF,
} from 'node-av/constants';
import { avGetPixFmtName, FFmpegError, Filter, FilterGraph, Frame } from 'node-av/lib';
import type { Rectangle, Size } from '../geometry.ts';
import type { Scan } from '../interlaced.ts';

/** Filters the frames of one size and format. */
export interface Chain extends Disposable {
  /** @param read uses the filtered frame, which is valid only during the call */
  run<T>(frame: Frame, read: (filtered: Frame) => T): T;
}

export interface ChainOptions {
  readonly scan: Scan;
  readonly area: Rectangle;
  readonly size: Size;
  /** Pixel formats, in order, each with the options of the filter `scale`. */
  readonly steps: readonly { readonly format: string; readonly scale: string }[];
}

/** A libavfilter graph: field selection if needed, crop (both without a copy), scale, format. */
export function openChain(like: Frame, { scan, area, size, steps }: ChainOptions): Chain {
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
    ...steps.flatMap(({ format, scale }) => [
      add('scale', `w=${size.width}:h=${size.height}:${scale}`),
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
    run(frame, read) {
      FFmpegError.throwIfError(source.buffersrcAddFrameSync(frame, KEEP_REF), 'filtering');
      FFmpegError.throwIfError(sink.buffersinkGetFrameSync(out), 'filtering');
      try {
        return read(out);
      } finally {
        out.unref();
      }
    },
    [Symbol.dispose]() {
      out.free();
      graph.free();
    },
  };
}

export function formatOf(frame: Frame): string {
  return avGetPixFmtName(frame.format as AVPixelFormat) ?? '';
}

export const isRgb = (format: string) => /rgb|bgr|gbr/.test(format);

/** Whether neighbouring pixels share chroma, so that the edges of a cut must be at even pixels. */
export const isSubsampled = (format: string) => !isRgb(format) && !/444|gray/.test(format);
