/** Labelled pictures from elsewhere → the dataset. What cannot be used is said and never stops the rest. */
import { decodePicture } from '../../models/picture.ts';
import type { Dataset } from './dataset.ts';
import { type Change, changeSchema } from './journal.ts';
import type { PictureSource } from './pictures.ts';

export interface Imported {
  readonly added: number;
  /** Were there already, under another label. */
  readonly relabelled: number;
  /** Were there already, under the same label. */
  readonly same: number;
  readonly skipped: readonly { readonly file: string; readonly reason: string }[];
}

export interface ImportOptions {
  /** Who labelled them, where the source does not say. */
  readonly by: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/** Takes every picture over. An abort ends it between two pictures; what is in stays in. */
export async function importPictures(
  source: PictureSource,
  dataset: Dataset,
  { by, signal, onProgress }: ImportOptions,
): Promise<Imported> {
  const known = await knownFacts(source);
  const counts = { added: 0, relabelled: 0, same: 0 };
  const skipped = source.others.map((file) => ({ file, reason: 'no picture in the folder of a label' }));
  for (const [index, file] of source.files.entries()) {
    if (signal?.aborted) break;
    onProgress?.(index, source.files.length);
    try {
      const image = await decodePicture(await file.read());
      const facts = known.get(nameOf(file.name));
      const { outcome } = await dataset.add({ by, ...facts, image, label: file.label });
      counts[outcome]++;
    } catch (error) {
      // A full disk stops everything; a bad picture only itself.
      if ((error as { code?: string }).code === 'dataset-write-failed') throw error;
      skipped.push({ file: file.name, reason: (error as Error).message });
    }
  }
  onProgress?.(source.files.length, source.files.length);
  return { ...counts, skipped };
}

type Facts = Partial<
  Pick<Extract<Change, { kind: 'label' }>, 'at' | 'by' | 'partId' | 'camera' | 'capturedAt' | 'judged'>
>;

/** Who labelled what and when, by the name of the picture, where the source is an export of another dataset. */
async function knownFacts(source: PictureSource): Promise<ReadonlyMap<string, Facts>> {
  const known = new Map<string, Facts>();
  for await (const line of source.lines()) {
    let change: Change;
    try {
      change = changeSchema.parse(JSON.parse(line));
    } catch {
      continue;
    }
    const { at, by } = change;
    if (change.kind === 'label') {
      const { id, partId, camera, capturedAt, judged } = change;
      known.set(id, { at, by, partId, camera, capturedAt, judged });
    } else if (change.kind === 'relabel') {
      for (const id of change.ids) known.set(id, { ...known.get(id), at, by });
    }
  }
  return known;
}

const nameOf = (path: string) => /([^\\/]*)\.[^.]*$/.exec(path)?.[1] ?? path;
