/**
 * The dataset in a running agent: reread when another process has changed it, and locked for writing only while someone
 * labels, so that the command line can import while the line runs.
 */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Dataset, type DatasetOptions, mendDataset, openDataset, readDataset } from './dataset.ts';
import type { DatasetView } from './view.ts';

export interface DatasetDesk extends AsyncDisposable {
  view(): Promise<DatasetView>;
  /** Repairs the effects of a power cut or an earlier version; writing waits for it. */
  mend(): Promise<void>;
  /** @throws QcError dataset-busy, and errors of the work */
  write<T>(work: (dataset: Dataset) => Promise<T>): Promise<T>;
}

/** The lock is released this long after the last change, ms. */
const defaultHeldMs = 10_000;

export function createDatasetDesk(
  storageDirectory: string,
  options: DatasetOptions,
  heldMs = defaultHeldMs,
): DatasetDesk {
  const journal = join(storageDirectory, 'dataset', 'labels.jsonl');
  let open: Promise<Dataset> | undefined;
  let working = 0;
  let mending: Promise<void> = Promise.resolve();
  let release: NodeJS.Timeout | undefined;
  let read: { readonly stamp: string; readonly view: Promise<DatasetView> } | undefined;

  async function close(): Promise<void> {
    clearTimeout(release);
    const closing = open;
    open = undefined;
    read = undefined;
    await (await closing?.catch(() => undefined))?.[Symbol.asyncDispose]();
  }

  return {
    async view() {
      if (open) {
        const dataset = await open;
        const { revision, frames, counts, retired } = dataset;
        return { revision, frames, counts, retired, undoable: (author) => dataset.undoable(author) };
      }
      const stamp = await stat(journal).then(
        ({ size, mtimeMs }) => `${size} ${mtimeMs}`,
        () => 'none',
      );
      if (read?.stamp !== stamp) read = { stamp, view: readDataset(storageDirectory, options.onNotice) };
      const { view } = read;
      // After an error it is read again.
      view.catch(() => {
        if (read?.view === view) read = undefined;
      });
      return view;
    },
    mend() {
      const mended = mendDataset(storageDirectory, options);
      mending = mended.catch(() => undefined);
      return mended;
    },
    async write(work) {
      clearTimeout(release);
      working++;
      try {
        await mending;
        open ??= openDataset(storageDirectory, options).catch((error: unknown) => {
          open = undefined;
          throw error;
        });
        return await work(await open);
      } finally {
        working--;
        if (working === 0 && open) release = setTimeout(() => void close(), heldMs);
      }
    },
    async [Symbol.asyncDispose]() {
      await mending;
      await close();
    },
  };
}
