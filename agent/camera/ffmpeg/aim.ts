import { QcError } from '../../../config/errors.ts';
import { retry } from '../../lifecycle/retry.ts';
import { AIM_FPS } from '../aim.ts';
import { aimPicture } from '../aim-picture.ts';
import type { CameraSource, SourceContext } from '../source.ts';

/** Shorter side of the images, pixels. */
const SHORTER_SIDE = 540;

/**
 * Reads whole images for aiming over a second connection while somebody watches: a running ffmpeg command cannot change what
 * it writes, and restarting it would interrupt the inspection. Resolves when the signal aborts.
 * @param read reads the camera once
 */
export async function followAim(context: SourceContext, read: CameraSource): Promise<void> {
  const { aim, signal } = context;
  if (!aim) return;
  let reading: AbortController | undefined;
  let finished: Promise<unknown> = Promise.resolve();
  const follow = () => {
    reading?.abort();
    reading = undefined;
    if (!aim.on || signal.aborted) return;
    reading = new AbortController();
    const shown = show(context, read, AbortSignal.any([signal, reading.signal]));
    finished = Promise.all([finished, shown]);
  };
  using _changed = aim.onChange(follow);
  follow();
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
  await finished;
}

function show(
  { camera, config, password, aim, cut }: SourceContext,
  read: CameraSource,
  signal: AbortSignal,
): Promise<void> {
  const region = { x: 0, y: 0, width: 1, height: 1 };
  let isEncoding = false;
  const attempt = (ending: AbortSignal) =>
    read({
      camera,
      password,
      signal: ending,
      config: { ...config, region, shorterSide: SHORTER_SIDE, maxFps: AIM_FPS, freezeMs: 0 },
      watched: () => false,
      async deliver({ image, capturedAt }) {
        if (isEncoding) return;
        isEncoding = true;
        try {
          const shown = await aimPicture(image, cut?.value ?? config.region, capturedAt);
          if (!ending.aborted) aim?.deliver(shown);
        } catch (error) {
          if (aim) aim.problem = error instanceof QcError ? error.line : String(error);
        } finally {
          isEncoding = false;
        }
      },
      // What happens to this connection concerns only its viewers.
      received: () => undefined,
      dropped: () => undefined,
      fault: () => undefined,
    });
  return retry(attempt, {
    signal,
    // A password that is refused here is refused for the inspection too: no further log-ins that could lock the account.
    login: {
      refused: (error) => error instanceof QcError && error.code === 'camera-unauthorized',
      changed: signal,
    },
    onFailure(error) {
      if (aim) aim.problem = error instanceof QcError ? error.line : String(error);
    },
  });
}
