/** Labels parts of the line: candidates, past results, corrections, and undo. */
import { join } from 'node:path';
import { QcError } from '../../config/errors.ts';
import { normalise } from '../../config/label-name.ts';
import type { Image } from '../../models/image.ts';
import { createLeases } from '../collect/leases.ts';
import { type Candidate, createQueue, type JudgedPart } from '../collect/queue.ts';
import { createSavedQueue } from '../collect/saved-queue.ts';
import { type AnnotationIndex, createAnnotationReader } from '../dataset/annotations.ts';
import type { Outcome } from '../dataset/dataset.ts';
import { createDatasetDesk } from '../dataset/desk.ts';
import { frameId, type LabelledFrame } from '../dataset/frame.ts';
import {
  changeLabel,
  type LabelChange,
  type LabelChangePreview,
  type LabelUsers,
  previewLabelChange,
} from '../dataset/label-change.ts';
import type { Marking } from '../dataset/marking.ts';
import type { Mark } from '../dataset/shapes.ts';
import type { Author } from '../dataset/state.ts';
import { inWords } from '../dataset/undo-view.ts';
import type { DatasetView } from '../dataset/view.ts';
import { minFrames } from '../train/choose-frames.ts';
import type { PublishedResult } from './observation.ts';

/** An answer for a part of the queue. */
export interface Answered {
  readonly resultId: string;
  readonly author: Author;
  /** Null: skipped. */
  readonly label: string | null;
}

export interface Labels extends AsyncDisposable {
  /** Number of parts in the queue. */
  readonly waiting: number;
  /** Adds the part to the queue if it is informative. */
  offer(part: JudgedPart): void;
  /** The queue for a person: parts reserved for them, then those reserved for nobody. */
  share(holder: Author | undefined): {
    readonly kept: readonly Candidate[];
    readonly others: readonly Candidate[];
  };
  /** Number of parts reserved for others. */
  reservedForOthers(holder: Author): number;
  leave(holder: Author): void;
  /** The candidate is not offered again. */
  skip(resultId: string, author: Author): void;
  onAnswer(listener: (answered: Answered) => void): Disposable;
  /** Number of frames of each label. */
  readonly counts: ReadonlyMap<string, number>;
  view(): Promise<DatasetView>;
  /** Newest first. */
  newestFirst(): Promise<readonly LabelledFrame[]>;
  /** The image of a candidate or a past result. @throws QcError label-unavailable */
  imageOf(resultId: string): Promise<Image>;
  /** @throws QcError candidate-gone, label-unavailable, label-invalid, marks-on-good, dataset-… */
  label(asked: LabelRequest, author: Author): Promise<{ readonly id: string; readonly outcome: Outcome }>;
  /** The marks of all frames. */
  annotations(): Promise<AnnotationIndex>;
  /** Returns whether anything has changed. @throws QcError frame-unknown, marks-on-good, dataset-… */
  mark(id: string, marking: Marking, author: Author): Promise<boolean>;
  relabel(ids: readonly string[], label: string, author: Author): Promise<void>;
  remove(ids: readonly string[], author: Author): Promise<void>;
  /** @throws QcError label-unknown, label-exists, label-invalid, label-configured */
  changeLabel(
    change: LabelChange,
    users: LabelUsers,
    author: Author,
    isDryRun: boolean,
  ): Promise<LabelChangePreview>;
  /** @throws QcError nothing-to-undo, undo-overtaken */
  undo(author: Author, change: number | undefined): Promise<{ readonly undone: string }>;
}

export interface LabelRequest {
  readonly resultId: string;
  readonly label: string;
  readonly ifUnlabelled?: boolean | undefined;
  /** Locations of its defects, in fractions of its image; undefined leaves its marks unchanged. */
  readonly marks?: readonly Mark[] | undefined;
}

export interface LabelMetrics {
  labelledFrames(counts: ReadonlyMap<string, number>): void;
  corrected(from: string, to: string): void;
  /** @param read returns the number of parts in the queue; called at every scrape */
  watchCandidates(read: () => number): void;
}

/** Published results. */
export interface PastResults {
  /** Undefined if it is not available any more. */
  result(resultId: string): Promise<PublishedResult | undefined>;
  /** The judged image; undefined if it is not available any more. */
  image(resultId: string): Promise<Image | undefined>;
}

export interface LabelsDeps {
  /** Space that must stay free on the disk, bytes. */
  readonly minFreeBytes: number;
  /** Labels named in the config. */
  readonly good: readonly string[];
  readonly metrics: LabelMetrics;
  readonly past: PastResults;
  /** 0 ≤ x < 1 */
  readonly random: () => number;
  readonly onNotice: (text: string) => void;
}

/** Number of labelled parts that are remembered by result id, for corrections, for conflicts between two people, and for undo. */
const maxRemembered = 1_000;
/** Number of them that an undo can put back into the queue, with their image. */
const maxRestorable = 30;
/** Number of good parts that guarantee at most 5 % false alarms. */
const wantedGood = 59;

interface Labelled {
  readonly id: string;
  readonly by: string;
}

export function openLabels(directory: string, deps: LabelsDeps): Labels {
  const { metrics, minFreeBytes, past, random, onNotice } = deps;
  const desk = createDatasetDesk(directory, { onNotice, labels: deps.good });
  let counts: ReadonlyMap<string, number> = new Map();
  let sorted:
    | { readonly of: readonly LabelledFrame[]; readonly frames: readonly LabelledFrame[] }
    | undefined;
  const hasDefects = () =>
    [...counts].some(([label, count]) => !deps.good.includes(label) && count >= minFrames);
  const queue = createQueue({
    random,
    countOf: (label) => counts.get(label) ?? 0,
    // While training uses good parts only, more of them guarantee fewer false alarms.
    wantedOf: (label) => (deps.good.includes(label) && !hasDefects() ? wantedGood : undefined),
  });
  const saved = createSavedQueue(join(directory, 'calibration', 'candidates'), {
    queue: () => queue.list(),
    minFreeBytes,
    onNotice,
  });
  metrics.watchCandidates(() => queue.size);
  const leases = createLeases();
  const listeners = new Set<(answered: Answered) => void>();
  const answered = (one: Answered) => {
    saved.changed();
    for (const listener of listeners) listener(one);
  };
  const labelled = new Map<string, Labelled>();
  let taken: readonly Candidate[] = [];

  async function view(): Promise<DatasetView> {
    const now = await desk.view();
    if (now.counts !== counts) {
      counts = now.counts;
      metrics.labelledFrames(counts);
    }
    return now;
  }
  // Repairs the dataset and initialises metrics and queue.
  const started = desk
    .mend()
    .then(view)
    .then(restoreQueue)
    .catch((error: Error) => onNotice(`the dataset cannot be read: ${error.message}`));

  /** Restores the queue of the last run, without parts that were labelled just before it ended. */
  async function restoreQueue({ frames }: DatasetView): Promise<void> {
    const known = new Set(frames.map(({ id }) => id));
    const waiting = await saved.load();
    queue.restore(waiting.filter(({ image }) => !known.has(frameId(image))));
    saved.changed();
  }

  const candidateOf = (resultId: string) =>
    queue.find(resultId) ?? taken.find((one) => one.resultId === resultId);

  async function imageOf(resultId: string): Promise<Image> {
    const image = candidateOf(resultId)?.image ?? (await past.image(resultId));
    if (!image) {
      throw new QcError('label-unavailable', `the image of result ${resultId} is no longer available`);
    }
    return image;
  }

  /** Adds a frame with facts from its result. */
  async function add({ resultId, label }: LabelRequest, marking: Marking | undefined, author: Author) {
    const candidate = candidateOf(resultId);
    const result = await past.result(resultId);
    const image = await imageOf(resultId);
    const from = candidate ?? (result && { ...result, version: result.model.version });
    const facts = from && {
      // Part numbers may restart each day: the time makes them unique.
      partId: `${from.camera} ${from.partId} ${from.capturedAt}`,
      camera: from.camera,
      capturedAt: from.capturedAt,
      judged: {
        verdict: from.verdict,
        label: from.label,
        version: from.version,
        drawn: candidate?.drawn ?? false,
      },
    };
    return desk.write((dataset) => dataset.add({ image, label, marking, ...author, ...facts }));
  }

  /** Changes label or marks of a frame. */
  async function correct(id: string, label: string, marking: Marking | undefined, author: Author) {
    const outcome = await desk.write((dataset) => dataset.correct(id, { label, marking }, author));
    return { id, outcome };
  }

  /** @throws QcError marks-on-good */
  function checkMarks(label: string, marks: readonly Mark[]): void {
    const name = normalise(label);
    if (marks.length === 0 || !deps.good.includes(name)) return;
    throw new QcError(
      'marks-on-good',
      `"${name}" means a good part, and ${marks.length} defects are marked on it`,
    );
  }

  const labelOf = async (id: string) => (await view()).frames.find((frame) => frame.id === id)?.label;

  function remember(resultId: string, known: Labelled): void {
    labelled.delete(resultId);
    labelled.set(resultId, known);
    for (const oldest of labelled.keys()) if (labelled.size > maxRemembered) labelled.delete(oldest);
    const candidate = queue.find(resultId);
    if (!candidate) return;
    taken = [candidate, ...taken].slice(0, maxRestorable);
    queue.remove(resultId);
  }

  return {
    get waiting() {
      return queue.size;
    },
    offer(part) {
      queue.offer(part);
      saved.changed();
    },
    share(holder) {
      const all = queue.list();
      if (!holder) return { kept: [], others: all };
      const name = nameOf(holder);
      const byId = new Map(all.map((one) => [one.resultId, one]));
      const kept = leases.renew(name, [...byId.keys()]);
      const others = all.filter(
        ({ resultId }) => !kept.includes(resultId) && !leases.isTaken(resultId, name),
      );
      return { kept: kept.map((resultId) => byId.get(resultId)!), others };
    },
    reservedForOthers(holder) {
      const name = nameOf(holder);
      return queue.list().filter(({ resultId }) => leases.isTaken(resultId, name)).length;
    },
    leave: (holder) => leases.release(nameOf(holder)),
    skip(resultId, author) {
      queue.remove(resultId);
      answered({ resultId, author, label: null });
    },
    onAnswer(listener) {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
    get counts() {
      return counts;
    },
    view,
    async newestFirst() {
      const { frames } = await view();
      if (sorted?.of !== frames) {
        const order = (a: LabelledFrame, b: LabelledFrame) =>
          a.labelledAt < b.labelledAt ? 1 : a.labelledAt > b.labelledAt ? -1 : 0;
        sorted = { of: frames, frames: frames.toSorted(order) };
      }
      return sorted.frames;
    },
    imageOf,
    annotations: createAnnotationReader(directory),
    async mark(id, marking, author) {
      const label = await labelOf(id);
      if (label === undefined) throw new QcError('frame-unknown', `there is no frame ${id}`);
      checkMarks(label, marking.marks);
      const { outcome } = await correct(id, label, marking, author);
      await view();
      return outcome !== 'same';
    },
    async label(asked, author) {
      const { resultId, label, ifUnlabelled, marks } = asked;
      checkMarks(label, marks ?? []);
      const marking: Marking | undefined = marks && { marks, areas: 'keep' };
      const known = labelled.get(resultId);
      const current = known && (await labelOf(known.id));
      if (known && ifUnlabelled) {
        const what = current === undefined ? ', and the frame was removed afterwards' : ` ${current}`;
        throw new QcError('candidate-gone', `${known.by} has labelled this part${what}`);
      }
      const before = current ?? candidateOf(resultId)?.label ?? (await past.result(resultId))?.label;
      const stored =
        known && current !== undefined
          ? await correct(known.id, label, marking, author)
          : await add(asked, marking, author);
      const kept = (await labelOf(stored.id)) ?? label;
      remember(resultId, { id: stored.id, by: author.by });
      answered({ resultId, author, label: kept });
      if (before !== undefined && before !== kept) metrics.corrected(before ?? 'none', kept);
      return stored;
    },
    async relabel(ids, label, author) {
      await desk.write(async (dataset) => {
        const before = new Map(dataset.frames.map((frame) => [frame.id, frame.label]));
        await dataset.relabel(ids, label, author);
        for (const id of ids) {
          const was = before.get(id);
          if (was !== undefined && was !== label) metrics.corrected(was, label);
        }
      });
      await view();
    },
    async remove(ids, author) {
      await desk.write((dataset) => dataset.remove(ids, author));
      await view();
    },
    async changeLabel(change, users, author, isDryRun) {
      if (isDryRun) return previewLabelChange(await view(), change, users);
      const changed = await desk.write((dataset) => changeLabel(dataset, change, author, users));
      await view();
      return changed;
    },
    async undo(author, change) {
      const before = (await view()).frames;
      const undone = await desk.write((dataset) => dataset.undo(author, change));
      const { frames } = await view();
      const gone = new Set(undone.ids.filter((id) => !frames.some((frame) => frame.id === id)));
      for (const [resultId, { id }] of labelled) {
        if (!gone.has(id)) continue;
        labelled.delete(resultId);
        const back = taken.find((one) => one.resultId === resultId);
        taken = taken.filter((one) => one !== back);
        if (back) queue.putBack(back);
      }
      saved.changed();
      return { undone: inWords(undone, before) };
    },
    async [Symbol.asyncDispose]() {
      await started;
      await saved[Symbol.asyncDispose]();
      await desk[Symbol.asyncDispose]();
    },
  };
}

const nameOf = ({ by, client }: Author) => `${by}\n${client ?? ''}`;
