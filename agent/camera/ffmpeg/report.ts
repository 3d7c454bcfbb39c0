/** Parses ffmpeg's standard error, line by line. */
import type { ErrorCode } from '../../../config/errors.ts';
import { type Damage, damageInWarning, damageWhileDecoding, damageWhileReading } from '../damage.ts';

export interface FrameLine {
  readonly kind: 'decoded' | 'written';
  readonly width: number;
  readonly height: number;
  /** Presentation time, ms; undefined if the stream has none. */
  readonly streamMs: number | undefined;
  /** The same in the units of the stream, as ffmpeg writes it. */
  readonly pts: string;
  readonly key: boolean;
  /** Which field of an interlaced frame was captured first; undefined for a whole frame. */
  readonly firstField: 'top' | 'bottom' | undefined;
}

export type Line =
  | FrameLine
  | { readonly kind: 'opened' | 'frozen' }
  /** A packet of the video was read. */
  | { readonly kind: 'packet'; readonly pts: string }
  /** `codec`: display name, such as H.264. */
  | { readonly kind: 'codec'; readonly codec: string }
  | { readonly kind: 'damage'; readonly text: string; readonly damage: Damage }
  /** `damage`: the decoder reports bad data and continues. */
  | { readonly kind: 'error'; readonly text: string; readonly damage: Damage | undefined };

const CODECS: Readonly<Record<string, string>> = { h264: 'H.264', hevc: 'H.265', mjpeg: 'MJPEG' };

/** Parses one line; undefined if it is irrelevant. */
export function readLine(line: string): Line | undefined {
  const packet = /\[info\] demuxer -> .*\btype:video\b.* pkt_pts:(\S+)/.exec(line);
  if (packet) return { kind: 'packet', pts: packet[1]! };
  const info = /^\[showinfo@(all|out) .*\bpts:\s*(\S+) .*\bpts_time:\s*(\S+).*\bs:(\d+)x(\d+)/.exec(line);
  if (info) {
    const seconds = Number(info[3]);
    return {
      kind: info[1] === 'all' ? 'decoded' : 'written',
      width: Number(info[4]),
      height: Number(info[5]),
      pts: info[2]!,
      streamMs: Number.isFinite(seconds) ? seconds * 1000 : undefined,
      key: /\biskey:1\b/.test(line),
      firstField: / i:T /.test(line) ? 'top' : / i:B /.test(line) ? 'bottom' : undefined,
    };
  }
  if (/freeze_start:/.test(line)) return { kind: 'frozen' };
  if (/^\[info\] Input #0/.test(line)) return { kind: 'opened' };
  const video = /^\[info\]\s+Stream #0:\d+.*?: Video: (\w+)/.exec(line);
  if (video) return { kind: 'codec', codec: CODECS[video[1]!] ?? video[1]! };
  // ffmpeg 7 and later name the stream before the decoder.
  const said = /^((?:\[[^\]]+ @ \w+\] )*)\[(\w+)\] (.*)$/.exec(line);
  if (!said) return undefined;
  const [, who = '', level = '', words = ''] = said;
  const text = words.trim();
  const decoder = /\[(dec:)?(h264|hevc|mjpeg)/.test(who);
  if (/^(error|fatal|panic)$/.test(level) && !damageWhileReading(text)) {
    const damage = decoder || /decod/i.test(text) ? damageWhileDecoding(text) : undefined;
    return { kind: 'error', text, damage };
  }
  const damage = decoder ? damageInWarning(text) : damageWhileReading(text);
  return damage && { kind: 'damage', text, damage };
}

const MEANINGS: readonly (readonly [RegExp, ErrorCode])[] = [
  [/\b40[13]\b|unauthorized|forbidden/i, 'camera-unauthorized'],
  [/\b404\b|not found$/i, 'camera-not-found'],
  [/connection refused/i, 'camera-refused'],
  [/timed out|no route|unreachable|resolve|name or service|input\/output error/i, 'camera-unreachable'],
  [/too big or non positive size/i, 'camera-region'],
  [/codec parameters|decoder|unsupported codec|unknown codec|matches no streams/i, 'camera-codec'],
];

/**
 * Why ffmpeg ended, found in its messages: its exit status is not useful (0 when a server dies).
 * @param errors the error lines, oldest first
 * @param images whether any image has arrived
 * @param timedOut whether the timeout passed before the camera described its stream
 */
export function endOf(
  errors: readonly string[],
  { pictures, timedOut }: { pictures: boolean; timedOut: boolean },
): { code: ErrorCode; message: string } {
  const text = errors.join('; ');
  if (pictures) {
    const stalled = /timed out/i.test(text);
    return stalled
      ? { code: 'camera-stalled', message: 'the stream delivers no more data' }
      : { code: 'camera-ended', message: 'the stream ended unexpectedly' };
  }
  for (const [pattern, code] of MEANINGS) {
    const meant = errors.find((line) => pattern.test(line));
    if (meant) return { code, message: `cannot open the stream: ${meant}` };
  }
  const code = timedOut ? 'camera-unreachable' : 'camera-protocol';
  return { code, message: `cannot open the stream: ${text || 'it ended at once'}` };
}
