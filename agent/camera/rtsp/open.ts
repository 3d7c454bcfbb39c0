/** Opens a relay between a decoder and a camera, in its own thread. */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { type ErrorCode, QcError } from '../../../config/errors.ts';
import type { CameraConfig } from '../../../config/schema.ts';
import type { Account } from './login.ts';
import type { RelayFacts, RelayOptions } from './relay.ts';

export type FromRelay =
  | { readonly kind: 'listening'; readonly address: string }
  | { readonly kind: 'facts'; readonly facts: RelayFacts }
  | { readonly kind: 'fault'; readonly code: ErrorCode; readonly message: string; readonly remedy: string };

export interface OpenRelay extends AsyncDisposable {
  /** The address for the decoder; it contains no password. */
  readonly address: string;
  /** Resolves with the fault of the camera or of the connection to it. */
  readonly failure: Promise<QcError>;
  /** The failure, if it arrives shortly. The relay detects a failure shortly before the decoder does. */
  fault(): Promise<QcError | undefined>;
  /** What is known so far; at most half a second old. */
  readonly facts: RelayFacts;
}

/** Time for the relay's message to arrive, ms. */
const graceMs = 250;
/** Time for the relay to end the session before its thread is terminated, ms. */
const closeMs = 2_000;

const nothingYet: RelayFacts = {
  asked: '',
  isPlaying: false,
  encoding: '',
  dimensions: undefined,
  packets: 0,
  keyPackets: 0,
  isJpegTooLarge: false,
};

/**
 * The camera is contacted only when the decoder connects. After close the session at the camera has ended. @throws QcError
 * if the address is invalid
 */
export async function openRelay(
  { url, transport, stallMs }: Pick<CameraConfig, 'url' | 'transport' | 'stallMs'>,
  password: string | undefined,
): Promise<OpenRelay> {
  const options: RelayOptions = {
    address: url.replace(userInfo, '$1'),
    account: accountOf(url, password),
    transport,
    timeoutMs: stallMs,
  };
  const worker = new Worker(new URL('./thread.js', import.meta.url), {
    workerData: options,
    env: {},
    // It keeps little data, and the buffers that pass through are not on the heap.
    resourceLimits: { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 64 },
  });
  const ended = once(worker, 'exit').catch(() => undefined);
  let facts = nothingYet;
  const failure = new Promise<QcError>((resolve) => {
    worker.on('message', (message: FromRelay) => {
      if (message.kind === 'facts') facts = message.facts;
      if (message.kind === 'fault') {
        resolve(new QcError(message.code, message.message, { remedy: message.remedy }));
      }
    });
    worker.once('error', (cause) =>
      resolve(new QcError('internal', `the relay failed: ${cause}`, { cause })),
    );
  });
  const listening = new Promise<string>((resolve) => {
    worker.on('message', (message: FromRelay) => message.kind === 'listening' && resolve(message.address));
  });
  const first = await Promise.race([listening, failure]);
  if (first instanceof QcError) {
    await ended;
    throw first;
  }
  return {
    address: first,
    failure,
    fault: () => Promise.race([failure, sleep(graceMs, undefined)]),
    get facts() {
      return facts;
    },
    async [Symbol.asyncDispose]() {
      worker.postMessage('close');
      await Promise.race([ended, sleep(closeMs, undefined, { ref: false })]);
      await worker.terminate();
    },
  };
}

/** The relay's error if there is one, else the decoder's, which only knows the relay. */
export async function failureOf(relay: OpenRelay, said: QcError): Promise<QcError> {
  const { code, message, remedy } = said;
  const plain = message.replaceAll(relay.address, 'the stream');
  return (await relay.fault()) ?? new QcError(code, plain, { remedy, cause: said });
}

const userInfo = /^(rtsps?:\/\/)(?:[^/]*@)?/i;

/** User of the url and password; undefined if there are none. */
function accountOf(url: string, password: string | undefined): Account | undefined {
  const [, user = '', inUrl] = /^rtsps?:\/\/([^/:@]*)(?::([^/]*))?@/i.exec(url) ?? [];
  const known = password ?? inUrl;
  return known === undefined ? undefined : { user: decoded(user), password: known };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
