import type { CameraConfig } from '../../../config/schema.ts';
import type { Region } from '../../../models/image.ts';
import type { Scan } from '../interlaced.ts';
import type { Installed } from './installed.ts';

/** Input arguments. @param address of the relay: it contains no password, because `ps` shows it */
export function inputArguments(
  address: string,
  { transport, stallMs }: Pick<CameraConfig, 'transport' | 'stallMs'>,
  installed: Installed,
): string[] {
  return [
    ...['-rtsp_transport', transport],
    // In ffmpeg 4 the socket timeout (µs) is called stimeout; its option timeout starts a server. The agent and the relay
    // detect a silent camera earlier.
    installed.major >= 5 ? '-timeout' : '-stimeout',
    String(4_000 * stallMs + 10_000_000),
    ...['-allowed_media_types', 'video'],
    ...['-analyzeduration', '1000000'],
    ...['-max_delay', '200000'],
    // As in node-av/stream.ts.
    ...(transport === 'tcp' ? ['-reorder_queue_size', '8'] : []),
    ...['-i', address],
  ];
}

/**
 * All arguments: raw RGB of the wanted frames on standard output; on standard error one line for every packet that was
 * read (`-debug_ts`), one for every decoded frame (`showinfo@all`), one for every written one (`showinfo@out`) and one when the image freezes.
 * The fps filter is not used: with -copyts it can hang and ignore SIGTERM.
 */
export function readArguments(
  config: CameraConfig,
  {
    input,
    decoder,
    fps,
    installed,
    scan,
  }: {
    input: readonly string[];
    decoder: readonly string[];
    fps: number;
    installed: Installed;
    /** For interlaced video only the upper field is used, as in node-av/reader.ts. */
    scan: Scan;
  },
): string[] {
  const filters = [
    'showinfo@all=checksum=0',
    ...(scan === 'fields' ? ["select='not(eq(interlace_type,BOTTOMFIRST))'"] : []),
    thinFilter(fps),
    ...(scan === 'woven' ? ['field=type=top'] : []),
    cropFilter(config.region),
    ...(config.freezeMs > 0 ? [`freezedetect@freeze=n=0:d=${config.freezeMs}ms`] : []),
    scaleFilter(scan === 'progressive' ? 'ih' : '2*ih', config.shorterSide),
    // Planar format first, as in cutter.ts.
    'format=gbrp',
    `scale=${SCALE_FLAGS}`,
    'format=rgb24',
    'showinfo@out=checksum=0',
  ];
  return [
    ...['-hide_banner', '-nostdin', '-nostats', '-loglevel', 'level+debug', '-debug_ts'],
    ...['-copyts', '-threads', '1'],
    ...decoder,
    ...input,
    ...['-map', '0:v:0', '-an', '-filter_threads', '1', '-vf', filters.join(',')],
    // No frame is duplicated or dropped to keep a rate, and none is scaled to an earlier size.
    ...(installed.atLeast(5, 1) ? ['-fps_mode', 'passthrough'] : ['-vsync', '0']),
    ...(installed.atLeast(4, 4) ? ['-autoscale', '0'] : []),
    ...['-f', 'rawvideo', '-flush_packets', '1', 'pipe:1'],
  ];
}

/** `regionPixels` of geometry.ts as an ffmpeg expression, so that it follows a change of size. */
function cropFilter({ x, y, width, height }: Region): string {
  const at = (fraction: number, length: 'iw' | 'ih') =>
    fraction >= 1 ? length : `min(${length},2*round(${fraction}*${length}/2))`;
  const left = at(x, 'iw');
  const top = at(y, 'ih');
  const right = at(Math.min(1, x + width), 'iw');
  const bottom = at(Math.min(1, y + height), 'ih');
  return `crop=w='${right}-${left}':h='${bottom}-${top}':x='${left}':y='${top}':exact=1`;
}

/**
 * As `RateLimiter` of rate.ts, by the timestamps: variable 0 is the time when the next frame is due, s. Constant timestamps
 * must not end the stream: variable 1 is the wall-clock time of the last frame taken.
 */
function thinFilter(fps: number): string {
  const period = (1 / fps).toFixed(6);
  const slack = (1 / fps / 4).toFixed(6);
  const early = `lt(t,ld(0)-${slack})*gt(t,ld(0)-2*${period}-${slack})*lt(time(0)-ld(1),1.5*${period})`;
  const next = `if(lte(abs(t-ld(0)),${period}),ld(0),t)+${period}`;
  return `select='if(${early},0,1+0*st(0,${next})+0*st(1,time(0)))'`;
}

/** As `deliveredSize` of geometry.ts. @param height of the region in the whole frame */
function scaleFilter(height: 'ih' | '2*ih', shorterSide: number): string {
  const shorter = `min(iw,${height})`;
  const scaled = (side: string) =>
    `if(gt(${shorter},${shorterSide}),round(${side}*${shorterSide}/${shorter}),${side})`;
  return `scale=w='${scaled('iw')}':h='${scaled(height)}':${SCALE_FLAGS}`;
}

const SCALE_FLAGS = 'flags=bilinear+accurate_rnd+full_chroma_int+full_chroma_inp';
