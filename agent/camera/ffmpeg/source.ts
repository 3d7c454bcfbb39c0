import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { childEnvironment } from '../../../config/child-environment.ts';
import { QcError } from '../../../config/errors.ts';
import { scrub } from '../address.ts';
import type { Scan } from '../interlaced.ts';
import { wantedFps } from '../rate.ts';
import { awaitFirstImage } from '../rtsp/first-image.ts';
import { failureOf, openRelay } from '../rtsp/open.ts';
import type { CameraSource, SourceContext } from '../source.ts';
import { followAim } from './aim.ts';
import { inputArguments, readArguments } from './arguments.ts';
import { Conversation } from './conversation.ts';
import { hardwareDecoder } from './hardware.ts';
import { type Installed, installedFfmpeg } from './installed.ts';

/**
 * Reads an RTSP camera with this machine's ffmpeg command: for decoders that only it has (Jetson), or on machines where the
 * bundled libraries do not run. It provides no previews, no decoding time (it counts as capture) and no camera clock.
 */
export const readWithFfmpeg: CameraSource = async (context) => {
  const { config, password, signal } = context;
  if (signal.aborted) return;
  const ending = new AbortController();
  const shown = followAim({ ...context, signal: AbortSignal.any([signal, ending.signal]) }, readWithFfmpeg);
  try {
    await attempt(context);
  } catch (error) {
    if (signal.aborted) return;
    const { code, message, remedy } =
      error instanceof QcError ? error : new QcError('internal', String(error));
    throw new QcError(code, scrub(`${config.url}: ${message}`, [password]), { remedy });
  } finally {
    ending.abort();
    await shown;
  }
};

async function attempt(context: SourceContext): Promise<void> {
  const { config, signal } = context;
  const installed = await installedFfmpeg(signal);
  const decoder = await decoderFor(context, installed);

  let scan: Scan = 'progressive';
  // One ffmpeg process cuts one region: for another region it is restarted, which does not count as a loss of the camera.
  // The same happens if the video is interlaced.
  while (!signal.aborted) {
    const region = context.cut?.value ?? config.region;
    scan = await read({ ...context, config: { ...config, region } }, { decoder, installed, scan });
  }
}

/** The arguments for a hardware decoder. */
async function decoderFor(context: SourceContext, installed: Installed): Promise<readonly string[]> {
  const { config, password, signal } = context;
  if (config.hardware === 'none') return [];
  await using relay = await openRelay(config, password);
  const input = inputArguments(relay.address, config, installed);
  const { args, fault } = await hardwareDecoder(config.hardware, input, signal);
  // A refused log-in is not tried again by the decoder.
  const refusal = fault && (await relay.fault());
  if (refusal) throw refusal;
  if (fault) context.fault('camera-hardware', scrub(fault, [password]));
  return args;
}

/**
 * One run of the command: throws the reason for its end, or returns if it must be restarted with other arguments.
 * @returns the scan type of the video, if it is known
 */
async function read(
  context: SourceContext,
  { decoder, installed, scan }: { decoder: readonly string[]; installed: Installed; scan: Scan },
): Promise<Scan> {
  const { signal, cut, config, password } = context;
  const recut = new AbortController();
  using _recut = cut?.onChange(() => recut.abort());
  await using relay = await openRelay(config, password);
  // From here on the listeners below handle it.
  if (signal.aborted || recut.signal.aborted) return scan;
  using firstImage = awaitFirstImage(relay, context, { counts: false });
  const input = inputArguments(relay.address, config, installed);
  const args = readArguments(config, { input, decoder, fps: wantedFps(config), installed, scan });
  const child = spawn('ffmpeg', args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: childEnvironment(),
  });
  const gone = new Promise<void>((resolve) => {
    child.once('close', () => resolve());
    child.once('error', () => resolve());
  });
  const followsSize = installed.atLeast(4, 4);
  const conversation = new Conversation(context, { followsSize, scan, firstImage });
  conversation.start();
  // A hanging ffmpeg can ignore SIGTERM.
  const stop = () => void child.kill('SIGKILL');
  signal.addEventListener('abort', stop, { once: true });
  try {
    child.stdout.on('data', (chunk: Buffer) => conversation.pixels(chunk));
    createInterface({ input: child.stderr }).on('line', (line) => conversation.line(line));
    void gone.then(() => conversation.ended());
    const end = await Promise.race([relay.failure, conversation.failure, aborted(recut.signal)]);
    if (end instanceof QcError) throw signal.aborted ? end : await failureOf(relay, end);
    conversation.end();
    return end ?? scan;
  } finally {
    signal.removeEventListener('abort', stop);
    stop();
    await gone;
  }
}

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
}
