import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { QcError } from '../../../config/errors.ts';

const run = promisify(execFile);

/** The ffmpeg of this machine. */
export interface Installed {
  readonly major: number;
  atLeast(major: number, minor: number): boolean;
}

/** @throws QcError camera-decoder-missing */
export async function installedFfmpeg(signal: AbortSignal): Promise<Installed> {
  let said: string;
  try {
    said = (await run('ffmpeg', ['-version'], { signal, timeout: 10_000 })).stdout;
  } catch (error) {
    if (signal.aborted) throw error;
    throw new QcError('camera-decoder-missing', 'no ffmpeg command on this machine', { cause: error });
  }
  // A development build (N-12345-g…) is newer than any release that we distinguish.
  const [, major = '99', minor = '0'] = /^ffmpeg version n?(\d+)\.(\d+)/.exec(said) ?? [];
  const version = { major: Number(major), minor: Number(minor) };
  return {
    major: version.major,
    atLeast: (m, n) => version.major > m || (version.major === m && version.minor >= n),
  };
}
