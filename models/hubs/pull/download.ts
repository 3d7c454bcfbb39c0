/**
 * Downloads a file: attempts until it is complete, then checks. Bytes that fail a check are removed; bytes of an interrupted
 * download are kept and continued by the next one.
 */
import { QcError } from '../../../config/errors.ts';
import { type AttemptDeps, attempt, type RemoteFile } from './attempt.ts';
import { type Check, type Digests, digestsOf, passes, shownCheck } from './checks.ts';
import { shownUrl } from './client.ts';
import { asTransient, Transient } from './failures.ts';
import { type Part, partOf } from './part.ts';
import { readRecord, recordOf } from './recorded.ts';
import { pause, type RetryRules } from './retries.ts';

export interface DownloadDeps extends AttemptDeps {
  readonly storageDirectory: string;
  readonly retry: RetryRules;
  readonly onNotice: (text: string) => void;
}

export interface Downloaded {
  readonly file: string;
  readonly address: string;
  readonly sha256: string;
  readonly bytes: number;
  /** How it was checked, in words; empty: it was recorded only. */
  readonly checkedBy: string;
}

/** An attempt that brought less than this counts as a failure. */
const progressBytes = 65_536;

/** @throws QcError hub-…, download-…, disk-too-small; errors of the file system; the reason of the signal */
export async function download(remote: RemoteFile, folder: string, deps: DownloadDeps): Promise<Downloaded> {
  const part = partOf(folder, remote.name, remote.address);
  try {
    const isJoined = await untilComplete(remote, part, deps);
    const first = await verify(remote, part, deps);
    if (first.failed === undefined) return await finish(remote, part, first);
    // The bytes may be of two versions of the file, or damaged by a power cut.
    if (!isJoined) throw first.failed;
    deps.onNotice(`${first.failed.message}; the download is repeated from the start`);
    await part.discard();
    await untilComplete(remote, part, deps);
    const second = await verify(remote, part, deps);
    if (second.failed !== undefined) throw second.failed;
    return await finish(remote, part, second);
  } catch (error) {
    if (error instanceof QcError && error.code.startsWith('download-')) await part.discard();
    throw error;
  }
}

/** Whether the bytes may be of more than one answer. */
async function untilComplete(remote: RemoteFile, part: Part, deps: DownloadDeps): Promise<boolean> {
  const { signal } = deps;
  let failures = 0;
  let isJoined = false;
  for (;;) {
    signal.throwIfAborted();
    const before = await part.bytes();
    isJoined ||= before > 0;
    try {
      await attempt(remote, part, deps);
      return isJoined;
    } catch (error) {
      signal.throwIfAborted();
      const failure = asTransient(error, shownUrl(remote.url));
      if (!(failure instanceof Transient)) throw failure;
      const isProgress = (await part.bytes()) - before >= progressBytes;
      failures = isProgress ? 1 : failures + 1;
      await pause(failure, failures, { ...deps, kept: await part.bytes() });
    }
  }
}

interface Verified {
  readonly digests: Digests;
  readonly passed: readonly Check[];
  readonly failed: QcError | undefined;
}

async function verify(remote: RemoteFile, part: Part, deps: DownloadDeps): Promise<Verified> {
  const said = (await part.origin())?.checks ?? [];
  return verifyFile(part.file, remote, said, deps.storageDirectory);
}

/** Against everything that is known about the file. */
export async function verifyFile(
  file: string,
  remote: Pick<RemoteFile, 'name' | 'address' | 'bytes' | 'checks'>,
  said: readonly Check[],
  storageDirectory: string,
): Promise<Verified> {
  const { name, address, bytes } = remote;
  const digests = await digestsOf(file);
  const recorded = await readRecord(storageDirectory, address);
  const checks: Check[] = [...remote.checks, ...said];
  const wrong = checks.find((check) => !passes(check, digests));
  const is = `${name} has the sha256 ${digests.sha256}`;
  let failed: QcError | undefined;
  if (recorded && recorded.sha256 !== digests.sha256) {
    failed = new QcError(
      'download-changed',
      `${is}; at its first download on ${recorded.recordedAt.slice(0, 10)} it was ${recorded.sha256}`,
      {
        remedy: `ask the publisher why it changed; if the new file is right, delete ${recordOf(storageDirectory, address)} and try again`,
      },
    );
  } else if (wrong) {
    failed = new QcError('download-wrong', `${is}, but the ${shownCheck(wrong)} is ${wrong.value}`);
  } else if (bytes !== undefined && bytes !== digests.bytes) {
    failed = new QcError('download-wrong', `${name} has ${digests.bytes} bytes instead of ${bytes}`);
  }
  const own: Check[] = recorded ? [{ kind: 'sha256', value: recorded.sha256, by: 'the first download' }] : [];
  return { digests, passed: [...checks, ...own], failed };
}

export async function finish(
  remote: Pick<RemoteFile, 'address'>,
  part: Part,
  verified: Verified,
): Promise<Downloaded> {
  const { digests, passed } = verified;
  const file = await part.finish();
  return {
    file,
    address: remote.address,
    sha256: digests.sha256,
    bytes: digests.bytes,
    checkedBy: shownChecks(passed),
  };
}

const shownChecks = (checks: readonly Check[]) => [...new Set(checks.map(shownCheck))].join(', ');
