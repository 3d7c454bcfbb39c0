import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { childEnvironment } from '../../../config/child-environment.ts';
import { QcError } from '../../../config/errors.ts';
import { addressWithPassword, scrub } from '../address.ts';
import { wantedFps } from '../rate.ts';
import type { CameraSource, SourceContext } from '../source.ts';
import { type Call, inputCall, readArguments } from './arguments.ts';
import { Conversation } from './conversation.ts';
import { hardwareDecoder } from './hardware.ts';
import { type Installed, installedFfmpeg } from './installed.ts';

/**
 * Reads an RTSP camera with this machine's ffmpeg command: for decoders that only it has (Jetson), or where the
 * bundled libraries do not run. It gives no previews, and does not know how long
 * decoding took (it counts as capture) or the camera's own clock.
 */
export const readWithFfmpeg: CameraSource = async (context) => {
  const { config, password, signal } = context;
  if (signal.aborted) return;
  try {
    await attempt(context);
  } catch (error) {
    if (signal.aborted) return;
    const { code, message } = error instanceof QcError ? error : new QcError('internal', String(error));
    throw new QcError(code, scrub(`${config.url}: ${message}`, [password]));
  }
};

async function attempt(context: SourceContext): Promise<void> {
  const { config, password, signal } = context;
  const installed = await installedFfmpeg(signal);
  const input = inputCall(
    addressWithPassword(config.url, password),
    password !== undefined,
    config,
    installed,
  );
  if (input.exposed) {
    context.fault(
      'camera-decoder-missing',
      'ffmpeg before version 5 shows the camera password in `ps`; install a newer one',
    );
  }
  const decoder = await hardwareDecoder(config.hardware, input, signal);
  if (decoder.fault) context.fault('camera-hardware', scrub(decoder.fault, [password]));

  // The command cuts one region for as long as it lives: for another one it is started anew, which is no loss.
  while (!signal.aborted) {
    const region = context.cut?.value ?? config.region;
    const call = readArguments(
      { ...config, region },
      { input, decoder: decoder.args, fps: wantedFps(config), installed },
    );
    await read(call, { ...context, config: { ...config, region } }, input, installed);
  }
}

/** One run of the command: throws why it ended, or returns because another region is to be cut. */
async function read(
  args: readonly string[],
  context: SourceContext,
  input: Call,
  installed: Installed,
): Promise<void> {
  const { signal, cut } = context;
  const child = spawn('ffmpeg', args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: childEnvironment(),
  });
  const gone = new Promise<void>((resolve) => {
    child.once('close', () => resolve());
    child.once('error', () => resolve());
  });
  const conversation = new Conversation(context, { followsSize: installed.atLeast(4, 4) });
  // SIGTERM is not always heard by an ffmpeg that hangs.
  const stop = () => void child.kill('SIGKILL');
  const recut = new AbortController();
  using _recut = cut?.onChange(() => recut.abort());
  signal.addEventListener('abort', stop, { once: true });
  try {
    child.stdin.on('error', () => undefined);
    child.stdin.end(input.stdin);
    child.stdout.on('data', (chunk: Buffer) => conversation.pixels(chunk));
    createInterface({ input: child.stderr }).on('line', (line) => conversation.line(line));
    void gone.then(() => conversation.ended());
    const failure = await Promise.race([conversation.failure, aborted(recut.signal)]);
    if (failure) throw failure;
    conversation.end();
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
