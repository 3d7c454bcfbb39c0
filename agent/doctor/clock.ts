/** This machine's clock: capture times, stale commands and certificates all hang on it. */
import { execFile } from 'node:child_process';
import { access, stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { Environment } from '../../config/environment.ts';
import { type Finding, failure, good, warning } from './finding.ts';

const setClock =
  'synchronize the clock: timedatectl set-ntp true, with an NTP server that the machine can reach';

/** When this was written: no clock that is right shows an earlier time. */
const writtenAt = Date.parse('2026-11-01T00:00:00Z');

/** @param file something that was saved on this machine: a right clock is not before it */
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
      kept
        ? `${shown}, synchronized by NTP`
        : `${shown}; this machine does not say whether NTP synchronizes it`,
    ),
  ];
}

/**
 * Whether the clock is synchronised, as the kernel sees it (adjtimex(2), STA_UNSYNC, by way of timedatectl) or
 * systemd-timesyncd says; undefined if neither can be asked, as in a container.
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
    // No systemd here, or it does not run.
  }
  const told = await access('/run/systemd/timesync/synchronized').then(
    () => true,
    () => undefined,
  );
  return told;
}
