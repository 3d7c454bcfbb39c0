/**
 * Evidence: the judged picture of every part that did not pass, and of some that did, kept on disk within a quota.
 * Writing happens beside the inspection, one picture after the other; what the disk cannot take in time is dropped
 * and counted, and where the disk gets full evidence stops before anything that matters.
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
import { encodeJudged } from './jpeg.ts';
import { type EvidencePage, type EvidenceQuery, listEvidence, parseResult } from './list.ts';
import { createRoom } from './room.ts';
import { openShelf, type Shelf } from './shelf.ts';

export interface Evidence extends AsyncDisposable {
  /**
   * Takes the picture of a part in where it is to be kept; returns at once.
   * @returns the path for its result, or null where none will be kept
   */
  keep(result: Result, image: Image | undefined): string | null;
  /** The judged picture, JPEG; undefined where none is kept. */
  picture(resultId: string): Promise<Buffer | undefined>;
  /** The result that a picture belongs to; undefined where none is kept. */
  result(resultId: string): Promise<Result | undefined>;
  /** Newest first. */
  list(query: EvidenceQuery): Promise<EvidencePage>;
}

/** Why a picture was not kept: the disk was too slow, nearly full, or refused it. */
export type DropReason = 'slow' | 'low-disk' | 'failed';

export interface EvidenceDeps {
  readonly log: Log;
  readonly metrics: Pick<Metrics, 'evidenceDropped' | 'watchEvidence'>;
  /** Told why no pictures are kept; an empty text when they are again. */
  readonly onNotice: (text: string) => void;
  /** 0 ≤ x < 1 */
  readonly random?: () => number;
  /** How often the disk is looked at, and for how long it is left alone after it refused something, ms. */
  readonly pauseMs?: number;
}

/** Pictures that may wait for the disk, and their pixels, bytes. */
const mostWaiting = 32;
const mostWaitingBytes = 32_000_000;
/** What waits has so long to be written when the agent stops, ms. */
const closingMs = 2_000;

interface Job {
  readonly result: Result;
  readonly image: Image;
}

/** What is kept already is looked through meanwhile. Closed means that nothing is being written any more. */
export function openEvidence(
  { directory, evidenceQuotaMb, evidencePassShare, minFreeMb }: StorageConfig,
  deps: EvidenceDeps,
): Evidence {
  const { metrics, onNotice, random = Math.random, pauseMs = 5_000 } = deps;
  const log = deps.log.child({ component: 'evidence' });
  const faults = new FaultLog(log);
  const folder = join(directory, 'evidence');
  const waiting: Job[] = [];
  let waitingBytes = 0;
  let isClosing = false;
  let failure = '';
  let pausedUntil = 0;
  let writing: Promise<void> = Promise.resolve();
  let shelf: Shelf | undefined;

  const room = createRoom({ directory, leastBytes: minFreeMb * 1e6, everyMs: pauseMs, onChange: tell });
  let opening = look();
  metrics.watchEvidence(() => ({ bytes: shelf?.bytes ?? 0, files: shelf?.files ?? 0 }));

  async function look(): Promise<Shelf | undefined> {
    try {
      await makeFolders(folder);
      await room.look();
      const opened = await openShelf(folder, evidenceQuotaMb * 1e6);
      shelf = opened.shelf;
      const newest = shelf.ids.at(-1);
      if (newest !== undefined) idsGoOnAfter(newest);
      const { files, bytes } = shelf;
      log.debug({ files, megabytes: Math.round(bytes / 1e6) }, 'evidence is there');
      if (opened.removed > 0) log.warn(`${opened.removed} half-written pictures were removed`);
      return shelf;
    } catch (error) {
      failed(error as Error);
      return undefined;
    }
  }
  /** Where it could not be reached before, the disk may have room or a mount by now. */
  async function reach(): Promise<Shelf | undefined> {
    await opening;
    if (!shelf) opening = look();
    return opening;
  }

  function tell(): void {
    const { isLow, freeBytes = 0 } = room;
    const free = Math.floor(freeBytes / 1e6);
    const low = `only ${free} MB of disk are free, ${minFreeMb} must stay free: no pictures are kept as evidence`;
    const text = isLow ? low : failure;
    if (text) faults.warn(text);
    else log.info('pictures are kept as evidence again');
    onNotice(text);
  }
  function failed(error: Error): void {
    pausedUntil = performance.now() + pauseMs;
    const before = failure;
    failure = `pictures cannot be kept as evidence: ${error.message}`;
    if (failure !== before) tell();
  }
  function succeeded(): void {
    if (failure === '') return;
    failure = '';
    tell();
  }

  const isWanted = ({ verdict }: Result) => verdict !== 'pass' || random() < evidencePassShare;
  function whyNot(image: Image): DropReason | undefined {
    if (room.isLow) return 'low-disk';
    if (performance.now() < pausedUntil) return 'failed';
    const isFull = waiting.length >= mostWaiting || waitingBytes + image.data.byteLength > mostWaitingBytes;
    return isFull ? 'slow' : undefined;
  }

  async function write({ result, image }: Job): Promise<void> {
    const reached = await reach();
    const picture = await encodeJudged(image);
    await room.look(picture.byteLength);
    if (room.isLow) return metrics.evidenceDropped.inc({ reason: 'low-disk' });
    if (!reached) return metrics.evidenceDropped.inc({ reason: 'failed' });
    const isKept = await reached.add(result.resultId, picture, `${JSON.stringify(result)}\n`);
    if (!isKept) throw new Error(`a picture is larger than storage.evidenceQuotaMb (${evidenceQuotaMb})`);
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
    keep(result, image) {
      if (!image || evidenceQuotaMb === 0 || isClosing || !isWanted(result)) return null;
      const reason = whyNot(image);
      if (reason !== undefined) {
        metrics.evidenceDropped.inc({ reason });
        if (reason === 'slow') faults.warn('the disk is too slow for all pictures: some are not kept');
        return null;
      }
      const evidence = `/api/v1/evidence/${result.resultId}.jpg`;
      const isIdle = waiting.length === 0;
      waiting.push({ result: { ...result, evidence }, image });
      waitingBytes += image.data.byteLength;
      if (isIdle) writing = writeAll();
      return evidence;
    },
    picture: async (resultId) => (await opening)?.picture(resultId),
    async result(resultId) {
      const text = await (await opening)?.sidecar(resultId);
      return text === undefined ? undefined : parseResult(text);
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
      room[Symbol.dispose]();
    },
  };
}
