/** A labelled frame; its pixels identify it. */
import { createHash } from 'node:crypto';
import type { Image } from '../../models/image.ts';
import type { ImagingChange } from './imaging.ts';

/** A labelled frame of the dataset, for training. */
export interface LabelledFrame {
  /** sha256 of its pixels: identical images are stored once. */
  readonly id: string;
  readonly label: string;
  /** Absolute path of the PNG. */
  readonly file: string;
  /** Frames of one part are never on both sides of a split. */
  readonly partId?: string | undefined;
  readonly camera?: string | undefined;
  /** ISO 8601 */
  readonly capturedAt?: string | undefined;
  /** The prediction of the line, if it was labelled there. */
  readonly judged?:
    | {
        readonly verdict: 'pass' | 'fail' | 'uncertain';
        readonly label: string | null;
        readonly version: string;
        /** Whether it was drawn at random, independently of the prediction. */
        readonly drawn: boolean;
      }
    | undefined;
  /** ISO 8601 */
  readonly labelledAt: string;
  readonly labelledBy: string;
  /** Set on a copy of a frame for training: its image after a change of light or focus. */
  readonly changed?: { readonly from: string; readonly by: ImagingChange } | undefined;
}

/** A copy of a frame as it looks after a change of light or focus. It counts as the same part. */
export function changedFrame(frame: LabelledFrame, change: ImagingChange): LabelledFrame {
  const id = createHash('sha256').update(frame.id).update(JSON.stringify(change)).digest('hex');
  return { ...frame, id, partId: partOf(frame), changed: { from: frame.id, by: change } };
}

/** A name for the part on a frame; a frame without one is a part of its own. */
export const partOf = ({ id, partId }: LabelledFrame) => partId ?? id;

/** sha256 over width, height and pixels, in hex: the same image has the same id in any file format. */
export function frameId({ width, height, data }: Image): string {
  return createHash('sha256').update(`${width}x${height}\n`).update(data).digest('hex');
}

/** sha256 over ids and labels, independent of their order: two datasets with the same revision train the same head. */
export function revisionOf(frames: Iterable<Pick<LabelledFrame, 'id' | 'label'>>): string {
  const lines = Array.from(frames, ({ id, label }) => `${id} ${label}\n`).sort();
  const hash = createHash('sha256');
  for (const line of lines) hash.update(line);
  return hash.digest('hex');
}
