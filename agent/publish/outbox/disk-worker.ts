/** The thread that waits for the disk, so that the agent's loop does not. */
import { parentPort, workerData } from 'node:worker_threads';
import { openDisk } from './disk.ts';
import type { Answer, OpenDisk, Request } from './disk-thread.ts';

const port = parentPort!;
const { directory, bytes } = workerData as OpenDisk;

function attempt(id: number, call: () => Answer['value']): Answer {
  try {
    return { id, value: call() };
  } catch (error) {
    const { message, code } = error as Error & { code?: unknown };
    return { id, failed: { message, code: typeof code === 'number' ? code : undefined } };
  }
}

let disk: ReturnType<typeof openDisk> | undefined;
port.postMessage(
  attempt(0, () => {
    disk = openDisk(directory, { bytes });
    return disk.found();
  }),
);
port.on('message', async ({ id, call }: Request) => {
  if (!disk || call.kind === 'close') {
    await disk?.close();
    port.postMessage({ id, value: undefined } satisfies Answer);
    port.close();
    return;
  }
  const open = disk;
  port.postMessage(
    attempt(id, () =>
      call.kind === 'change' ? open.change(call.change) : open.read(call.queue, call.after, call.limit),
    ),
  );
});
