import { type ChildProcess, fork } from 'node:child_process';
import { closeSync } from 'node:fs';
import { childEnvironment } from '../../../config/child-environment.ts';
import { QcError } from '../../../config/errors.ts';
import type { Frame } from '../../../models/image.ts';
import { monotonicMs } from '../../../models/run/monotonic.ts';
import { scrub } from '../address.ts';
import { wantedFps } from '../rate.ts';
import { awaitFirstImage, type FirstImage } from '../rtsp/first-image.ts';
import { failureOf, type OpenRelay, openRelay } from '../rtsp/open.ts';
import type { CameraSource, SourceContext } from '../source.ts';
import { wallTimes } from '../wall-times.ts';
import { Watchdog } from '../watchdog.ts';
import type { FrameMessage, FromChild, ToChild } from './messages.ts';
import { openPixelFile, readPixels } from './pixels.ts';

/** With this threshold glibc returns the memory of each image at once: 15 to 25 MB less memory for 5 % more CPU time. */
const MEMORY_SETTINGS = { UV_THREADPOOL_SIZE: '2', MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '1000000' };

/**
 * Reads an RTSP camera in its own process, with the FFmpeg libraries of node-av. A process can always be killed; a thread
 * that hangs in a system call cannot, and would block one of the agent's worker threads.
 */
export const readWithNodeAv: CameraSource = async (context) => {
  if (context.signal.aborted) return;
  const pixels = openPixelFile();
  try {
    await readInto(pixels, context);
  } finally {
    closeSync(pixels);
  }
};

async function readInto(pixels: number, context: SourceContext): Promise<void> {
  const { config, password, signal, cut, aim } = context;
  await using relay = await openRelay(config, password);
  // From here on the listener below handles it.
  if (signal.aborted) return;
  using firstImage = awaitFirstImage(relay, context, { counts: true });
  const child = fork(new URL('./child.js', import.meta.url), {
    serialization: 'advanced',
    // Small heaps: images are stored outside them.
    execArgv: ['--max-semi-space-size=1', '--max-old-space-size=64'],
    env: { ...childEnvironment(), ...MEMORY_SETTINGS },
    stdio: ['ignore', 'ignore', 'ignore', 'ipc', pixels],
  });
  const gone = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    // A process that did not start emits no exit event.
    child.once('error', () => child.pid === undefined && resolve());
  });
  const stop = () => void child.kill('SIGKILL');
  signal.addEventListener('abort', stop, { once: true });
  try {
    const failure = conversation(child, pixels, { context, relay, firstImage });
    using _recut = cut?.onChange(() => send(child, { kind: 'region', region: cut.value }));
    using _aim = aim?.onChange(() => send(child, { kind: 'aim', on: aim.on }));
    send(child, {
      kind: 'open',
      address: relay.address,
      fps: wantedFps(config),
      watched: context.watched(),
      aim: aim?.on ?? false,
      reference: context.reference,
      damageMs: context.damageMs ?? config.damageMs,
      config: { ...config, region: cut?.value ?? config.region },
    });
    const error = await failure;
    if (!signal.aborted) {
      const { code, message, remedy } = await failureOf(relay, error);
      throw new QcError(code, scrub(`${config.url}: ${message}`, [password]), { remedy });
    }
  } finally {
    signal.removeEventListener('abort', stop);
    stop();
    await gone;
  }
}

/**
 * Handles the messages of the child until it reports a failure, is silent for too long, or exits. Resolves with the reason.
 */
function conversation(
  child: ChildProcess,
  pixels: number,
  { context, relay, firstImage }: { context: SourceContext; relay: OpenRelay; firstImage: FirstImage },
): Promise<QcError> {
  return new Promise((resolve) => {
    const watchdog = new Watchdog(context.config.stallMs, (error) => finish(firstImage.explain(error)));
    watchdog.start();
    let intact = false;
    function finish(error: QcError): void {
      watchdog.stop();
      child.off('message', take);
      resolve(error);
    }
    void relay.failure.then(finish);
    function take(message: FromChild): void {
      switch (message.kind) {
        case 'opened':
          watchdog.opened({ reportsData: true });
          return;
        case 'described':
          context.described?.({ codec: message.codec, width: message.width, height: message.height });
          return;
        case 'frame': {
          watchdog.image();
          firstImage.image();
          // The damage from an earlier attempt is over.
          if (!intact) context.condition?.('damaged', '');
          intact = true;
          try {
            context.deliver(frameOf(message, pixels, context));
          } catch (cause) {
            const what = `its pixels cannot be read: ${(cause as Error).message}`;
            finish(new QcError('camera-ended', what, { cause }));
            return;
          }
          send(child, { kind: 'taken', watched: context.watched() });
          return;
        }
        case 'aim': {
          const { kind: _, ...image } = message;
          context.aim?.deliver({ ...image, capturedAt: wallTimes(image.capturedAt).capturedAt });
          send(child, { kind: 'aim-taken' });
          return;
        }
        case 'aim-failed':
          if (context.aim) context.aim.problem = message.message;
          return;
        case 'progress':
          if (message.packets > 0) watchdog.data();
          firstImage.packets(message.packets);
          if (message.received > 0) {
            watchdog.image();
            context.received(message.received);
          }
          if (message.busy > 0) context.dropped('busy', message.busy);
          if (message.corrupt > 0) {
            context.dropped('corrupt', message.corrupt);
            context.fault('camera-corrupt', 'damaged frames; they are not judged');
          }
          return;
        case 'clock':
          context.clock?.(message);
          return;
        case 'condition':
          context.condition?.(message.condition, message.text);
          return;
        case 'fault':
          context.fault(message.code, message.message);
          return;
        case 'failed': {
          const { code, remedy } = message;
          finish(firstImage.explain(new QcError(code, message.message, { remedy })));
        }
      }
    }
    child.on('message', take);
    child.once('error', (error) =>
      finish(new QcError('internal', `the decoder cannot be started: ${error.message}`)),
    );
    child.once('exit', (code, signal) =>
      finish(new QcError('camera-ended', `the decoder process ended (${signal ?? `exit ${code}`})`)),
    );
  });
}

function frameOf(message: FrameMessage, pixels: number, { camera, config }: SourceContext): Frame {
  const { kind: _, slot, image: size, preview: previewSize, ...facts } = message;
  const [image, preview] = readPixels(pixels, slot, previewSize ? [size, previewSize] : [size]);
  return {
    camera,
    simulated: config.simulated,
    ...facts,
    ...wallTimes(facts.times.capturedAt),
    times: { ...facts.times, takenAt: monotonicMs() },
    image: image!,
    ...(preview && { preview }),
  };
}

function send(child: ChildProcess, message: ToChild): void {
  // The exit event reports a child that has exited.
  if (child.connected) child.send(message, () => undefined);
}
