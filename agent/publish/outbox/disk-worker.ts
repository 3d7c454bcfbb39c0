/** The thread that accesses the store, so that the main loop does not block on the disk. */
import { parentPort, workerData } from 'node:worker_threads';
import { type Disk, openDisk } from './disk.ts';
import type { Answer, OpenDisk, Request } from './disk-thread.ts';

const port = parentPort!;
const { directory, bytes } = workerData as OpenDisk;

/** Undefined after a failure: after a failed write of its meta page lmdb refuses all requests until it is reopened. */
let disk: Disk | undefined;
let isOpen = false;

async function attempt(id: number, call: (open: Disk) => Answer['value']): Promise<Answer> {
  try {
    disk ??= openDisk(directory, { bytes });
    isOpen = true;
    return { id, value: call(disk) };
  } catch (error) {
    const { message, code } = error as Error & { code?: string | number };
    await reopenNextTime();
    return { id, failed: { message, code } };
  }
}

/** The caller repeats a failed change. It may be on the disk already; changes are idempotent. */
async function reopenNextTime(): Promise<void> {
  const broken = disk;
  disk = undefined;
  await broken?.close().catch(() => undefined);
}

async function answer({ id, call }: Request): Promise<void> {
  if (!isOpen || call.kind === 'close') {
    await disk?.close();
    port.postMessage({ id, value: undefined } satisfies Answer);
    port.close();
    return;
  }
  port.postMessage(
    await attempt(id, (open) =>
      call.kind === 'change' ? open.change(call.change) : open.read(call.queue, call.after, call.limit),
    ),
  );
}

let last = attempt(0, (open) => open.found()).then((first) => port.postMessage(first));
port.on('message', (request: Request) => {
  // Sequentially: the store may have to be reopened in between.
  last = last.then(() => answer(request));
});
