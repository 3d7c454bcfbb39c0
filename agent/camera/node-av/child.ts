/** Decoding process of one camera: reads and decodes everything, delivers the wanted frames, ends with the agent. */
import { setTimeout as sleep } from 'node:timers/promises';
import { QcError } from '../../../config/errors.ts';
import type { FromChild, OpenMessage, ToChild } from './messages.ts';
import { Reader } from './reader.ts';

let reader: Reader | undefined;

function send(message: FromChild): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}

process.on('disconnect', () => process.exit(0));
// Ctrl-C in a terminal and SIGTERM from systemd reach every process; the agent decides when this one ends.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);
process.on('message', (message: ToChild) => {
  switch (message.kind) {
    case 'open':
      void run(message);
      return;
    case 'taken':
      reader?.taken(message.watched);
      return;
    case 'region':
      reader?.recut(message.region);
      return;
    case 'aim':
      reader?.aim(message.on);
      return;
    case 'aim-taken':
      reader?.aimTaken();
  }
});

async function run(open: OpenMessage): Promise<void> {
  let failure: QcError;
  try {
    reader = new Reader(open, send);
    failure = await reader.read();
  } catch (error) {
    failure = error instanceof QcError ? error : new QcError('internal', String(error), { cause: error });
  }
  if (!process.connected) return;
  const failed: FromChild = {
    kind: 'failed',
    code: failure.code,
    message: failure.message,
    remedy: failure.remedy,
  };
  process.send?.(failed, undefined, undefined, () => process.exit(0));
  await sleep(1_000);
  process.exit(1);
}
