/** This machine's clock: capture times, command age checks and certificates depend on it. */
import { execFile } from 'node:child_process';
import { access, stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { Environment } from '../../config/environment.ts';
import { type Finding, failure, good, warning } from './finding.ts';

const setClock =
  'synchronize the clock: timedatectl set-ntp true, with an NTP server that the machine can reach';

/** Date of this code: a correct clock cannot show an earlier time. */
const writtenAt = Date.parse('2026-11-01T00:00:00Z');

/** @param file a file saved on this machine: a correct clock is not before its date */
export async function checkClock(file: string, env: Environment, now = Date.now()): Promise<Finding[]> {
  const shown = new Date(now).toISOString();
  if (now < writtenAt) {
    return [failure('clock', `${shown} is earlier than the release of this program`, setClock)];
  }
  // A file from another machine may be some seconds ahead.
  const { mtimeMs } = await stat(file);
  if (mtimeMs > now + 60_000) {
    const saved = new Date(mtimeMs).toISOString();
    return [failure('clock', `${shown} is earlier than the last change of ${file} (${saved})`, setClock)];
  }
  const kept = await keptByNtp(env);
  if (kept === false) return [warning('clock', `${shown}, not synchronized by NTP`, setClock)];
  return [
    good(
      'clock',
      kept ? `${shown}, synchronized by NTP` : `${shown}; it is unknown whether NTP synchronizes it`,
    ),
  ];
}

/**
 * Whether the clock is synchronised, according to the kernel (adjtimex(2), STA_UNSYNC, through timedatectl) or
 * systemd-timesyncd; undefined if neither is available, as in a container.
 */
async function keptByNtp(env: Environment): Promise<boolean | undefined> {
  try {
    const { stdout } = await promisify(execFile)('timedatectl', ['show', '-p', 'NTPSynchronized'], {
      env: { PATH: env.PATH },
      timeout: 3_000,
    });
    const answer = /^NTPSynchronized=(yes|no)$/m.exec(stdout)?.[1];
    if (answer) return answer === 'yes';
  } catch {
    // systemd is not installed or not running.
  }
  const told = await access('/run/systemd/timesync/synchronized').then(
    () => true,
    () => undefined,
  );
  return told;
}
