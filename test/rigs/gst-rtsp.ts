import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import sharp from 'sharp';
import type { Image } from '../../models/image.ts';

const SCRIPT = new URL('../../../test/rigs/gst-rtsp.py', import.meta.url).pathname;
const PYTHON = '/usr/bin/python3';
const ELEMENTS = [
  'x264enc',
  'x265enc',
  'h265parse',
  'jpegenc',
  'vp8enc',
  'rtph264pay',
  'appsrc',
  'videotestsrc',
];

/** The reason why GStreamer's RTSP server cannot run here; undefined if it can. */
export function gstMissing(): string | undefined {
  const program = [
    'import gi',
    'gi.require_version("Gst","1.0"); gi.require_version("GstRtspServer","1.0")',
    'from gi.repository import Gst, GstRtspServer',
    'Gst.init(None)',
    `print(*[e for e in ${JSON.stringify(ELEMENTS)} if not Gst.ElementFactory.find(e)])`,
  ].join('\n');
  const tried = spawnSync(PYTHON, ['-c', program], { encoding: 'utf8' });
  if (tried.status !== 0)
    return 'the GStreamer RTSP server is not installed here (gir1.2-gst-rtsp-server-1.0)';
  const missing = tried.stdout.trim();
  return missing ? `GStreamer lacks ${missing} here` : undefined;
}

export interface GstRtspOptions {
  /** The agent does not support vp8. */
  codec?: 'h264' | 'h265' | 'mjpeg' | 'vp8';
  /** A test pattern, the images of `show`, or an H.264 mp4 file without re-encoding. */
  source?: 'pattern' | 'pictures' | `file:${string}`;
  fps?: number;
  width?: number;
  height?: number;
  /** kbit/s */
  bitrate?: number;
  /** Frames between two key frames; default one second. */
  gop?: number;
  colorimetry?: 'bt601' | 'bt709' | '1:4:0:0';
  /** Time in its sender reports; wrong differs by years. */
  clock?: 'right' | 'wrong';
  /** Number of independent cameras: see `urls`. */
  cameras?: number;
  user?: string;
  password?: string;
  /** PEM files, to serve rtsps; only with a user. */
  cert?: string;
  key?: string;
  /** 0: a free one. */
  port?: number;
}

export interface GstRtsp extends AsyncDisposable {
  readonly port: number;
  /** Without user and password. */
  readonly url: string;
  /** URLs of all its cameras. */
  readonly urls: readonly string[];
  /** Shows this image until the next one; its size may differ from the last one's. */
  show(picture: Image): Promise<void>;
  /** Shows image files in order, each for `eachMs`, and reports the current one. */
  play(files: readonly string[], options: PlayOptions): Promise<void>;
  /** SIGSTOP stalls the camera, SIGCONT continues it. */
  signal(signal: NodeJS.Signals): void;
}

export interface PlayOptions {
  readonly eachMs: number;
  readonly loop?: boolean;
  readonly signal?: AbortSignal;
  readonly onShown?: (file: string, index: number) => void;
}

/** Starts a real RTSP camera on 127.0.0.1 with GStreamer's server. Disposal ends the process. */
export async function openGstRtsp(options: GstRtspOptions = {}): Promise<GstRtsp> {
  const args = Object.entries(options).map(([name, value]) => `--${name}=${value}`);
  const child = spawn(PYTHON, [SCRIPT, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.on('error', () => undefined);
  const exited = once(child, 'exit');
  const lines = createInterface({ input: child.stdout });
  const line = await Promise.race([once(lines, 'line').then(([l]) => String(l)), exited.then(() => '')]);
  const port = Number(/^port (\d+)$/.exec(line)?.[1]);
  if (!port) {
    child.kill('SIGKILL');
    throw new Error('GStreamer RTSP server did not start');
  }

  async function show({ width, height, data }: Image): Promise<void> {
    child.stdin.write(`picture ${width} ${height}\n`);
    if (!child.stdin.write(data)) await once(child.stdin, 'drain');
  }

  const url = `rtsp${options.cert ? 's' : ''}://127.0.0.1:${port}/stream`;
  return {
    port,
    url,
    urls: Array.from({ length: options.cameras ?? 1 }, (_, at) => (at === 0 ? url : `${url}-${at + 1}`)),
    show,
    async play(files, { eachMs, loop = false, signal, onShown }) {
      do {
        for (const [index, file] of files.entries()) {
          if (signal?.aborted) return;
          const { data, info } = await sharp(file).removeAlpha().toColourspace('srgb').raw().toBuffer({
            resolveWithObject: true,
          });
          await show({ width: info.width, height: info.height, data });
          onShown?.(file, index);
          await sleep(eachMs, undefined, signal ? { signal } : {}).catch(() => undefined);
        }
      } while (loop && !signal?.aborted);
    },
    signal: (name) => void child.kill(name),
    async [Symbol.asyncDispose]() {
      lines.close();
      child.kill('SIGKILL');
      await exited;
    },
  };
}
