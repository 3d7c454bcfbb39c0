/** The thread of one relay. It ends the session even if the decoder has crashed or the agent is busy. */
import { parentPort, workerData } from 'node:worker_threads';
import { QcError } from '../../../config/errors.ts';
import type { FromRelay } from './open.ts';
import { Relay, type RelayOptions } from './relay.ts';

const port = parentPort!;
const tell = (message: FromRelay) => port.postMessage(message);
const tellFault = ({ code, message, remedy }: QcError) => tell({ kind: 'fault', code, message, remedy });
const tellEveryMs = 500;

try {
  const relay = new Relay(workerData as RelayOptions, tellFault);
  tell({ kind: 'listening', address: await relay.listen() });
  let known = '';
  const timer = setInterval(() => {
    const { facts } = relay;
    const now = JSON.stringify(facts);
    if (now !== known) tell({ kind: 'facts', facts });
    known = now;
  }, tellEveryMs);
  port.once('message', async () => {
    clearInterval(timer);
    await relay.close();
    port.close();
  });
} catch (error) {
  tellFault(error instanceof QcError ? error : new QcError('internal', String(error), { cause: error }));
  port.close();
}
