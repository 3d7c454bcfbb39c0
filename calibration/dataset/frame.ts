/** A labelled frame, and what makes it one: its pixels. */
import { createHash } from 'node:crypto';
import type { Image } from '../../models/image.ts';

/** A labelled frame of the dataset, as training sees it. */
export interface LabelledFrame {
  /** sha256 of its pixels: the same image is kept once. */
  readonly id: string;
  readonly label: string;
  /** Absolute path of the PNG. */
  readonly file: string;
  /** Frames of one part never sit on both sides of a split. */
  readonly partId?: string | undefined;
  readonly camera?: string | undefined;
  /** ISO 8601 */
  readonly capturedAt?: string | undefined;
  /** What the line had said of it, where it was labelled there. */
  readonly judged?:
    | {
        readonly verdict: 'pass' | 'fail' | 'uncertain';
        readonly label: string | null;
        readonly version: string;
        /** It was offered by chance, whatever had been said. */
        readonly drawn: boolean;
      }
    | undefined;
  /** ISO 8601 */
  readonly labelledAt: string;
  readonly labelledBy: string;
}

/** sha256 over width, height and pixels, in hex: whatever the file format, the same image has the same id. */
export function frameId({ width, height, data }: Image): string {
  return createHash('sha256').update(`${width}x${height}\n`).update(data).digest('hex');
}

/** sha256 over ids and labels, whatever their order: two datasets of one revision train the same head. */
export function revisionOf(frames: Iterable<Pick<LabelledFrame, 'id' | 'label'>>): string {
  const lines = Array.from(frames, ({ id, label }) => `${id} ${label}\n`).sort();
  const hash = createHash('sha256');
  for (const line of lines) hash.update(line);
  return hash.digest('hex');
}
