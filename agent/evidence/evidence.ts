/**
 * Evidence: the judged image of every part that did not pass, and of some that did, stored on disk within a quota.
 * Images are written in parallel to the inspection, one after the other; images that the disk cannot take in time are dropped
 * and counted. If the disk fills up, evidence stops first.
 */

import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { StorageConfig } from '../../config/schema.ts';
import { makeFolders } from '../../models/disk/folders.ts';
import type { Image } from '../../models/image.ts';
import { idsGoOnAfter } from '../lifecycle/id.ts';
import { FaultLog, type Log } from '../lifecycle/log.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { Result } from '../publish/messages.ts';
import { type EvidenceFiles, openEvidenceFiles } from './evidence-files.ts';
import { createFreeSpace } from './free-space.ts';
import { encodeJudged } from './jpeg.ts';
import { type EvidencePage, type EvidenceQuery, listEvidence } from './list.ts';
import { parseMap, parseResult, sidecarText } from './sidecar.ts';
import type { WhereMapView } from './where-view.ts';

export interface Evidence extends AsyncDisposable {
  /**
   * Queues the image of a part if it is to be stored; returns at once.
   * @returns the path for its result, or null if it will not be stored
   */
  keep(result: Result, image: Image | undefined, map?: WhereMapView): string | null;
  /** The judged image, JPEG; undefined if it is not stored. */
  picture(resultId: string): Promise<Buffer | undefined>;
  /** The result of an image; undefined if it is not stored. */
  result(resultId: string): Promise<Result | undefined>;
  /** Undefined if the head cannot locate defects, or the image is not stored. */
  map(resultId: string): Promise<WhereMapView | undefined>;
  /** Newest first. */
  list(query: EvidenceQuery): Promise<EvidencePage>;
}

/** Why an image was not stored: the disk was too slow, nearly full, or failed. */
export type DropReason = 'slow' | 'low-disk' | 'failed';

export interface EvidenceDeps {
  readonly log: Log;
  readonly metrics: Pick<Metrics, 'evidenceDropped' | 'watchEvidence'>;
  /** Reports why no images are stored; an empty text when they are stored again. */
  readonly onNotice: (text: string) => void;
  /** 0 ≤ x < 1 */
  readonly random?: () => number;
  /** Interval of the disk checks, and the pause after a failed write, ms. */
  readonly pauseMs?: number;
}

/** Maximum number of images that wait for the disk, and maximum total size of their pixels, bytes. */
const maxWaiting = 32;
const maxWaitingBytes = 32_000_000;
/** Time to write the queued images when the agent stops, ms. */
const closingMs = 2_000;

interface PendingImage {
  readonly result: Result;
  readonly image: Image;
  readonly map: WhereMapView | undefined;
}

/** The stored evidence is indexed in the background. After closing, nothing is being written. */
export function openEvidence(
  { directory, evidenceQuotaMb, evidencePassShare, minFreeMb }: StorageConfig,
  deps: EvidenceDeps,
): Evidence {
  const { metrics, onNotice, random = Math.random, pauseMs = 5_000 } = deps;
  const log = deps.log.child({ component: 'evidence' });
  const faults = new FaultLog(log);
  const folder = join(directory, 'evidence');
  const waiting: PendingImage[] = [];
  let waitingBytes = 0;
  let isClosing = false;
  let failure = '';
  let pausedUntil = 0;
  let writing: Promise<void> = Promise.resolve();
  let files: EvidenceFiles | undefined;

  const freeSpace = createFreeSpace({
    directory,
    minBytes: minFreeMb * 1e6,
    everyMs: pauseMs,
    onChange: tell,
  });
  let opening = look();
  metrics.watchEvidence(() => ({ bytes: files?.bytes ?? 0, files: files?.files ?? 0 }));

  async function look(): Promise<EvidenceFiles | undefined> {
    try {
      await makeFolders(folder);
      await freeSpace.look();
      const opened = await openEvidenceFiles(folder, evidenceQuotaMb * 1e6);
      files = opened.files;
      const newest = files.ids.at(-1);
      if (newest !== undefined) idsGoOnAfter(newest);
      const { files: count, bytes } = files;
      log.debug({ files: count, megabytes: Math.round(bytes / 1e6) }, 'evidence is open');
      if (opened.removed > 0) log.warn(`${opened.removed} incomplete images were removed`);
      return files;
    } catch (error) {
      failed(error as Error);
      return undefined;
    }
  }
  /** Retries a failed opening: the disk may have space or be mounted by now. */
  async function reach(): Promise<EvidenceFiles | undefined> {
    await opening;
    if (!files) opening = look();
    return opening;
  }

  function tell(): void {
    const { isLow, freeBytes = 0 } = freeSpace;
    const free = Math.floor(freeBytes / 1e6);
    const low = `only ${free} MB of disk are free, ${minFreeMb} must stay free: no images are stored as evidence`;
    const text = isLow ? low : failure;
    if (text) faults.warn(text);
    else log.info('images are stored as evidence again');
    onNotice(text);
  }
  function failed(error: Error): void {
    pausedUntil = performance.now() + pauseMs;
    const before = failure;
    failure = `images cannot be stored as evidence: ${error.message}`;
    if (failure !== before) tell();
  }
  function succeeded(): void {
    if (failure === '') return;
    failure = '';
    tell();
  }

  const isWanted = ({ verdict, challenge }: Result) =>
    verdict !== 'pass' || challenge !== undefined || random() < evidencePassShare;
  function whyNot(image: Image): DropReason | undefined {
    if (freeSpace.isLow) return 'low-disk';
    if (performance.now() < pausedUntil) return 'failed';
    const isFull = waiting.length >= maxWaiting || waitingBytes + image.data.byteLength > maxWaitingBytes;
    return isFull ? 'slow' : undefined;
  }

  async function write({ result, image, map }: PendingImage): Promise<void> {
    const reached = await reach();
    const picture = await encodeJudged(image);
    await freeSpace.look(picture.byteLength);
    if (freeSpace.isLow) return metrics.evidenceDropped.inc({ reason: 'low-disk' });
    if (!reached) return metrics.evidenceDropped.inc({ reason: 'failed' });
    const isKept = await reached.add(result.resultId, picture, sidecarText(result, map));
    if (!isKept) throw new Error(`an image is larger than storage.evidenceQuotaMb (${evidenceQuotaMb})`);
    succeeded();
  }
  async function writeAll(): Promise<void> {
    for (let job = waiting[0]; job; job = waiting[0]) {
      await write(job).catch((error: Error) => {
        metrics.evidenceDropped.inc({ reason: 'failed' });
        failed(error);
      });
      waiting.shift();
      waitingBytes -= job.image.data.byteLength;
    }
  }

  return {
    keep(result, image, map) {
      if (!image || evidenceQuotaMb === 0 || isClosing || !isWanted(result)) return null;
      const reason = whyNot(image);
      if (reason !== undefined) {
        metrics.evidenceDropped.inc({ reason });
        if (reason === 'slow') faults.warn('the disk is too slow for all images: some are not stored');
        return null;
      }
      const evidence = `/api/v1/evidence/${result.resultId}.jpg`;
      const isIdle = waiting.length === 0;
      waiting.push({ result: { ...result, evidence }, image, map });
      waitingBytes += image.data.byteLength;
      if (isIdle) writing = writeAll();
      return evidence;
    },
    picture: async (resultId) => (await opening)?.picture(resultId),
    async result(resultId) {
      const text = await (await opening)?.sidecar(resultId);
      return text === undefined ? undefined : parseResult(text);
    },
    async map(resultId) {
      const text = await (await opening)?.sidecar(resultId);
      return text === undefined ? undefined : parseMap(text);
    },
    async list(query) {
      const reached = await opening;
      return reached ? listEvidence(reached, query) : { items: [], next: null };
    },
    async [Symbol.asyncDispose]() {
      isClosing = true;
      await Promise.race([writing, sleep(closingMs, undefined, { ref: false })]);
      const late = waiting.splice(1).length;
      if (late > 0) metrics.evidenceDropped.inc({ reason: 'slow' }, late);
      await writing;
      await opening;
      freeSpace[Symbol.dispose]();
    },
  };
}
