/** A camera that plays a clip encoded by ffmpeg, with any codec option and any loss. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { splitNals } from '../../agent/demo/rtsp/nal.ts';
import type { Codec } from '../../agent/demo/rtsp/payload.ts';
import { openRtspServer, type RtspServer } from '../../agent/demo/rtsp/server.ts';
import type { Image } from '../../models/image.ts';

const run = promisify(execFile);
const room = { encoding: 'buffer', maxBuffer: 512 * 1024 * 1024 } as const;

/** As in the sources, so that colours can be compared. */
const EXACT = 'flags=bilinear+accurate_rnd+full_chroma_int+full_chroma_inp';

export interface Clip {
  readonly codec: Codec;
  readonly fps: number;
  /** One element for an image, in the order in which they are sent: Annex B, or JPEG. */
  readonly pictures: readonly Buffer[];
  /** Position of each in display order. */
  readonly places: readonly number[];
  /** The correct images, in display order. */
  readonly images: readonly Image[];
}

export interface ClipOptions {
  readonly codec?: Codec;
  /** Options of x264 or x265, such as `keyint=50:bframes=2`. */
  readonly parameters?: string;
  /** Two fields of different times in each frame, in H.265 one image each; `images` are made of the upper fields. */
  readonly interlaced?: boolean;
  readonly fps?: number;
  readonly frames?: number;
  readonly width?: number;
  readonly height?: number;
}

/** Encodes a moving test image with noise on it. */
export async function makeClip(options: ClipOptions = {}): Promise<Clip> {
  const { codec = 'h264', fps = 50, frames = 100, width = 320, height = 240 } = options;
  const { parameters = '', interlaced = false } = options;
  const rate = interlaced ? 2 * fps : fps;
  const apart = interlaced && codec === 'h265';
  const woven = `tinterlace=interleave_top,setfield=tff${apart ? ',separatefields' : ''}`;
  const fields = interlaced ? ['-vf', woven] : [];
  const source = `testsrc2=s=${width}x${height}:r=${rate},noise=alls=6:allf=t`;
  const encoder = interlaced && !apart ? ['-flags', '+ildct+ilme'] : [];
  const topField = apart ? "select='eq(interlace_type,TOPFIRST)'" : 'field=top';
  const upper = interlaced ? `${topField},scale=${width}:${height}:${EXACT},` : '';
  const input = ['-v', 'error', '-f', 'lavfi', '-i', source, '-frames:v', String(frames), ...fields];
  const common = `scenecut=0:aud=1:${apart ? 'interlace=tff:' : ''}${parameters}`;
  const quick = ['-preset', 'ultrafast', '-pix_fmt', 'yuv420p'];
  const output = {
    h264: ['-c:v', 'libx264', ...quick, '-x264-params', `rc-lookahead=0:sync-lookahead=0:${common}`],
    h265: ['-c:v', 'libx265', ...quick, '-x265-params', `log-level=none:repeat-headers=1:${common}`],
    mjpeg: ['-c:v', 'mjpeg', '-q:v', '3', '-pix_fmt', 'yuvj420p', '-huffman', 'default'],
  }[codec];
  // With their parameter sets in the stream, as cameras send them.
  const container = codec === 'mjpeg' ? 'nut' : 'mpegts';
  const made = await run('ffmpeg', [...input, ...output, ...encoder, '-f', container, 'pipe:1'], room);
  const from = async (command: string, args: readonly string[]) => {
    const running = run(command, ['-v', 'error', ...args], room);
    running.child.stdin?.end(made.stdout);
    return (await running).stdout;
  };
  const format = { h264: 'h264', h265: 'hevc', mjpeg: 'mjpeg' }[codec];
  const [stream, packets, pixels] = await Promise.all([
    from('ffmpeg', ['-i', 'pipe:0', '-c', 'copy', '-f', format, 'pipe:1']),
    from('ffprobe', ['-i', 'pipe:0', '-show_entries', 'packet=pts', '-of', 'csv=p=0']),
    from('ffmpeg', [
      '-i',
      'pipe:0',
      '-vf',
      `${upper}scale=${EXACT},format=gbrp`,
      '-fps_mode',
      'passthrough',
      '-f',
      'rawvideo',
      '-pix_fmt',
      'rgb24',
      'pipe:1',
    ]),
  ]);
  const times = packets.toString().trim().split(/\D+/).map(Number);
  const shown = [...times].sort((a, b) => a - b);
  const bytes = width * height * 3;
  const images = Array.from({ length: pixels.length / bytes }, (_, index) => ({
    width,
    height,
    data: pixels.subarray(index * bytes, (index + 1) * bytes),
  }));
  const places = times.map((time) => shown.indexOf(time));
  return { codec, fps: apart ? 2 * fps : fps, pictures: picturesOf(stream, codec), places, images };
}

function picturesOf(stream: Buffer, codec: Codec): Buffer[] {
  if (codec === 'mjpeg') return splitAt(stream, Buffer.from([0xff, 0xd8, 0xff]));
  const startCode = Buffer.from([0, 0, 0, 1]);
  const pictures: Buffer[][] = [];
  for (const nal of splitNals(stream)) {
    const delimiter = codec === 'h264' ? (nal[0]! & 31) === 9 : ((nal[0]! >> 1) & 63) === 35;
    if (delimiter) pictures.push([]);
    else pictures.at(-1)?.push(startCode, nal);
  }
  return pictures.map((parts) => Buffer.concat(parts));
}

function splitAt(stream: Buffer, mark: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  let start = stream.indexOf(mark);
  while (start >= 0) {
    const next = stream.indexOf(mark, start + mark.length);
    parts.push(stream.subarray(start, next < 0 ? undefined : next));
    start = next;
  }
  return parts;
}

export interface ClipCamera extends AsyncDisposable, Pick<RtspServer, 'url' | 'lose' | 'clients'> {
  /** Number of playbacks. */
  readonly plays: number;
  /** Omits the chosen images, with all their packets and sequence numbers. */
  skip(choose: ((picture: number) => boolean) | undefined): void;
}

export interface ClipCameraOptions {
  /** First image of a playback. */
  readonly from?: number;
}

/** Plays the clip in a loop; each new client restarts it. */
export async function openClipCamera(clip: Clip, { from = 0 }: ClipCameraOptions = {}): Promise<ClipCamera> {
  let next = from;
  let plays = 0;
  let left: { skipped: (picture: number) => boolean; pictures: number } | undefined;
  const server = await openRtspServer({
    source: {
      codec: clip.codec,
      keyPicture: clip.pictures[0]!,
      requestKey() {
        next = from;
        plays++;
      },
      subscribe(listener) {
        const startedAt = performance.now();
        let sent = 0;
        const timer = setInterval(() => {
          while (sent < ((performance.now() - startedAt) * clip.fps) / 1000) {
            const index = next++ % clip.pictures.length;
            const place = sent++ + clip.places[index]! - index;
            const capturedAt = Math.round(performance.timeOrigin + startedAt + (place * 1000) / clip.fps);
            if (left?.skipped(left.pictures++)) continue;
            // The server would delay a client until a key frame; this camera does not.
            listener({ data: clip.pictures[index]!, key: true, capturedAt });
          }
        }, 5);
        return () => clearInterval(timer);
      },
    },
  });
  return {
    url: server.url,
    get clients() {
      return server.clients;
    },
    get plays() {
      return plays;
    },
    lose: server.lose,
    skip(skipped) {
      left = skipped && { skipped, pictures: 0 };
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** Whether somewhere in the image a block of 8 × 8 pixels differs from every image of the clip. */
export function isDamaged(image: Image, clip: Clip): boolean {
  return !clip.images.some((wanted) => worstBlock(image, wanted, LIMIT) <= LIMIT);
}

/** Tolerance for rounding and colour conversion: mean of a block, levels of 255. */
const LIMIT = 8;

/** The largest mean difference of a block; stops at the first above `enough`. */
function worstBlock(a: Image, b: Image, enough: number): number {
  if (a.width !== b.width || a.height !== b.height) return 255;
  let worst = 0;
  for (let top = 0; top < a.height; top += 8) {
    for (let left = 0; left < a.width; left += 8) {
      let sum = 0;
      for (let y = top; y < top + 8; y++) {
        const row = (y * a.width + left) * 3;
        for (let at = row; at < row + 24; at++) sum += Math.abs(a.data[at]! - b.data[at]!);
      }
      worst = Math.max(worst, sum / 192);
      if (worst > enough) return worst;
    }
  }
  return worst;
}
