/** Labels of parts that the line has judged: candidates, past results, corrections, and undo. */
import { type Candidate, createQueue, type Queue } from '../../calibration/collect/queue.ts';
import { type DatasetView, mendDataset } from '../../calibration/dataset/dataset.ts';
import { createDatasetDesk } from '../../calibration/dataset/desk.ts';
import type { LabelledFrame } from '../../calibration/dataset/frame.ts';
import { QcError } from '../../config/errors.ts';
import type { Image } from '../../models/image.ts';
import type { Past } from '../evidence/past.ts';
import type { Metrics } from '../metrics/metrics.ts';

export interface Labels extends AsyncDisposable {
  readonly queue: Queue;
  /** Frames of each label. */
  readonly counts: ReadonlyMap<string, number>;
  view(): Promise<DatasetView>;
  /** Newest first. */
  newestFirst(): Promise<readonly LabelledFrame[]>;
  /** What a candidate or a past result looked like. @throws QcError label-unavailable */
  pictureOf(resultId: string): Promise<Image>;
  /** @throws QcError candidate-gone, label-unavailable, label-invalid, dataset-… */
  label(
    asked: { readonly resultId: string; readonly label: string; readonly ifUnlabelled?: boolean | undefined },
    by: string,
  ): Promise<{ readonly id: string; readonly outcome: 'added' | 'relabelled' | 'same' }>;
  relabel(ids: readonly string[], label: string, by: string): Promise<void>;
  remove(ids: readonly string[], by: string): Promise<void>;
  /** @throws QcError nothing-to-undo */
  undo(by: string): Promise<{ readonly undone: string }>;
}

export interface LabelsDeps {
  /** Labels that the config names. */
  readonly good: readonly string[];
  readonly metrics: Pick<Metrics, 'labelledFrames' | 'corrected' | 'watchCandidates'>;
  readonly past: Pick<Past, 'result' | 'image'>;
  /** 0 ≤ x < 1 */
  readonly random: () => number;
  readonly onNotice: (text: string) => void;
}

/** Labelled parts that are remembered by their result: for corrections, for "somebody was quicker", and for undo. */
const mostRemembered = 1_000;
/** Of these, so many can come back into the queue with their picture. */
const mostPictures = 30;

interface Labelled {
  readonly id: string;
  readonly label: string;
  readonly by: string;
}

export function openLabels(directory: string, { good, metrics, past, random, onNotice }: LabelsDeps): Labels {
  const options = { onNotice, labels: good };
  const desk = createDatasetDesk(directory, options);
  let counts: ReadonlyMap<string, number> = new Map();
  let counted: readonly LabelledFrame[] | undefined;
  let sorted:
    | { readonly of: readonly LabelledFrame[]; readonly frames: readonly LabelledFrame[] }
    | undefined;
  const queue = createQueue({ random, countOf: (label) => counts.get(label) ?? 0 });
  metrics.watchCandidates(() => queue.size);
  const labelled = new Map<string, Labelled>();
  let taken: readonly Candidate[] = [];

  async function view(): Promise<DatasetView> {
    const now = await desk.view();
    if (now.frames !== counted) {
      const byLabel = new Map<string, number>();
      for (const { label } of now.frames) byLabel.set(label, (byLabel.get(label) ?? 0) + 1);
      counts = byLabel;
      counted = now.frames;
      metrics.labelledFrames(byLabel);
    }
    return now;
  }
  // The metrics and the queue know from the start what is labelled, and pictures lie where they belong.
  const begun = mendDataset(directory, options)
    .then(view)
    .catch((error: Error) => onNotice(`the dataset cannot be read: ${error.message}`));

  const candidateOf = (resultId: string) =>
    queue.find(resultId) ?? taken.find((one) => one.resultId === resultId);

  async function pictureOf(resultId: string): Promise<Image> {
    const image = candidateOf(resultId)?.image ?? (await past.image(resultId));
    if (!image) {
      throw new QcError('label-unavailable', `the picture of result ${resultId} is not kept any more`);
    }
    return image;
  }

  /** A new frame, with the facts that stay with it. */
  async function add(resultId: string, label: string, by: string) {
    const candidate = candidateOf(resultId);
    const result = await past.result(resultId);
    const image = await pictureOf(resultId);
    const from = candidate ?? (result && { ...result, version: result.model.version });
    const facts = from && {
      // The numbers of parts may begin anew each day: with its time, no two parts are one.
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
    return desk.write((dataset) => dataset.add({ image, label, by, ...facts }));
  }

  /** Another label for a frame that is in the dataset already. */
  function change(id: string, label: string, by: string) {
    return desk.write(async (dataset) => {
      const isSame = dataset.frames.find((frame) => frame.id === id)?.label === label;
      if (!isSame) await dataset.relabel([id], label, by);
      return { id, outcome: isSame ? ('same' as const) : ('relabelled' as const) };
    });
  }

  function remember(resultId: string, known: Labelled): void {
    labelled.delete(resultId);
    labelled.set(resultId, known);
    for (const oldest of labelled.keys()) if (labelled.size > mostRemembered) labelled.delete(oldest);
    const candidate = queue.find(resultId);
    if (!candidate) return;
    taken = [candidate, ...taken].slice(0, mostPictures);
    queue.remove(resultId);
  }

  return {
    queue,
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
    pictureOf,
    async label({ resultId, label, ifUnlabelled }, by) {
      const known = labelled.get(resultId);
      if (known && ifUnlabelled) {
        throw new QcError('candidate-gone', `${known.by} has labelled this part ${known.label}`);
      }
      const before = known?.label ?? candidateOf(resultId)?.label ?? (await past.result(resultId))?.label;
      const isKept = known && (await view()).frames.some(({ id }) => id === known.id);
      const stored = isKept ? await change(known.id, label, by) : await add(resultId, label, by);
      const kept = (await view()).frames.find(({ id }) => id === stored.id)?.label ?? label;
      remember(resultId, { id: stored.id, label: kept, by });
      if (before !== undefined && before !== kept) metrics.corrected(before ?? 'none', kept);
      return stored;
    },
    async relabel(ids, label, by) {
      await desk.write(async (dataset) => {
        const before = new Map(dataset.frames.map((frame) => [frame.id, frame.label]));
        await dataset.relabel(ids, label, by);
        for (const id of ids) {
          const was = before.get(id);
          if (was !== undefined && was !== label) metrics.corrected(was, label);
        }
      });
      await view();
    },
    async remove(ids, by) {
      await desk.write((dataset) => dataset.remove(ids, by));
      await view();
    },
    async undo(by) {
      const undone = await desk.write((dataset) => dataset.undo(by));
      if (!undone) throw new QcError('nothing-to-undo', 'there is no change that could be taken back');
      const ids = new Set((await view()).frames.map(({ id }) => id));
      for (const [resultId, { id }] of labelled) {
        if (ids.has(id)) continue;
        labelled.delete(resultId);
        const back = taken.find((one) => one.resultId === resultId);
        taken = taken.filter((one) => one !== back);
        if (back) queue.putBack(back);
      }
      return { undone: inWords(undone) };
    },
    async [Symbol.asyncDispose]() {
      await begun;
      await desk[Symbol.asyncDispose]();
    },
  };
}

/** A change of the dataset as an operator would say it. */
export function inWords(change: NonNullable<DatasetView['last']>): string {
  if (change.kind === 'label') return `label ${change.label}`;
  const parts = change.ids.length === 1 ? 'one part' : `${change.ids.length} parts`;
  return change.kind === 'remove' ? `removing ${parts}` : `relabelling ${parts} as ${change.label}`;
}
