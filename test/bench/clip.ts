import { execFile, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gstMissing } from '../rigs/gst-rtsp.ts';

const run = promisify(execFile);

export interface ClipOptions {
  readonly width: number;
  readonly height: number;
  readonly fps: number;
  /** Minimum length, s. */
  readonly seconds: number;
}

/** The reason why no camera can play a clip on this computer, with what to install; undefined if one can. */
export function clipCameraMissing(): string | undefined {
  if (spawnSync('ffmpeg', ['-version']).error) return 'there is no ffmpeg command (apt-get install ffmpeg)';
  return gstMissing();
}

/** Seconds that are encoded; the clip repeats them without encoding, so a long clip takes no longer than a short one. */
const encodedSeconds = 10;

/**
 * Makes a video like that of a camera: H.264 without B-frames, a key frame every second, moving shapes and sensor noise, at
 * 0.1 bit per pixel (5 Mbit/s at 1080p25). Returns its path; a file that already exists in the folder is used again.
 */
export async function makeClip(
  folder: string,
  { width, height, fps, seconds }: ClipOptions,
): Promise<string> {
  const rounds = Math.ceil(seconds / encodedSeconds);
  const name = `${width}x${height}-${fps}`;
  const short = join(folder, `${name}.mp4`);
  const long = join(folder, `${name}-${rounds}.mp4`);
  const ffmpeg = (...args: string[]) => run('ffmpeg', ['-nostdin', '-v', 'error', '-y', ...args]);
  if (!existsSync(short)) {
    const source = `testsrc2=size=${width}x${height}:rate=${fps},noise=alls=8:allf=t,format=yuv420p`;
    const bits = String(Math.round(width * height * fps * 0.1));
    const codec = ['-c:v', 'libx264', '-preset', 'veryfast', '-bf', '0', '-g', String(fps)];
    const rate = ['-b:v', bits, '-maxrate', bits, '-bufsize', bits];
    const length = ['-t', String(encodedSeconds)];
    await ffmpeg('-f', 'lavfi', '-i', source, ...length, ...codec, '-sc_threshold', '0', ...rate, short);
  }
  if (!existsSync(long)) {
    await rm(long, { force: true });
    await ffmpeg('-stream_loop', String(rounds - 1), '-i', short, '-c', 'copy', long);
  }
  return long;
}
