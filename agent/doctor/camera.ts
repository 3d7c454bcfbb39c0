/** A camera: read as the agent reads it, until the first frame and a moment longer. */
import { type ErrorCode, errors, QcError } from '../../config/errors.ts';
import type { CameraConfig } from '../../config/schema.ts';
import type { Frame, Image } from '../../models/image.ts';
import { sourceFor } from '../camera/feed.ts';
import { regionPixels } from '../camera/geometry.ts';
import { wantedFps } from '../camera/rate.ts';
import type { StreamFacts } from '../camera/source.ts';
import { type Finding, failure, failureOf, good, warning } from './finding.ts';

/** Longest wait for the first frame; key frames can be rare, ms. */
const firstFrameMs = 15_000;
/** How long is read on from there: for the frame rate, damage, and the camera's sender report, ms. */
const watchMs = 2_000;
/** A camera that says nothing for this long is not waited for, whatever stallMs says, ms. */
const longestSilenceMs = 5_000;
/** A camera clock may be this far from ours, ms. */
const clockToleranceMs = 1_000;

/** What one look at a camera brought. */
interface Look {
  readonly stream: StreamFacts | undefined;
  readonly newest: Frame | undefined;
  /** From the start of the attempt to its first frame, ms. */
  readonly firstAfterMs: number;
  readonly fps: number | undefined;
  /** What did not end the attempt, the last message of each kind. */
  readonly faults: ReadonlyMap<ErrorCode, string>;
  /** Why the attempt ended, where nobody ended it. */
  readonly error: unknown;
}

/** @param side shorter side of what the model sees, pixels; undefined where the model does not open */
export async function checkCamera(
  name: string,
  config: CameraConfig,
  { side, signal }: { side: number | undefined; signal: AbortSignal },
): Promise<Finding[]> {
  const check = `camera ${name}`;
  const look = await lookAt(name, config, signal);
  signal.throwIfAborted();
  const { stream, newest, error } = look;
  if (error !== undefined) return [failureOf(check, error)];
  if (!stream || !newest) {
    const code = stream ? 'camera-stalled' : 'camera-unreachable';
    return [failureOf(check, new QcError(code, `no picture within ${firstFrameMs / 1000} s`))];
  }
  return [
    good(check, description(config, stream, look)),
    ...faultFindings(check, look.faults),
    ...regionFindings(check, config, stream, side),
    ...rateFindings(check, config, look.fps),
    ...lightFindings(check, newest.image),
    ...clockFindings(name, config, clockOffset(look)),
  ];
}

async function lookAt(name: string, config: CameraConfig, signal: AbortSignal): Promise<Look> {
  const attempt = new AbortController();
  const stop = () => attempt.abort();
  signal.addEventListener('abort', stop);
  let timer = setTimeout(stop, firstFrameMs);
  const startedAt = performance.now();
  let stream: StreamFacts | undefined;
  let newest: Frame | undefined;
  let firstAfterMs = 0;
  const counted: { at: number; frames: number }[] = [];
  const faults = new Map<ErrorCode, string>();
  let error: unknown;
  try {
    await sourceFor(config)({
      camera: name,
      // The camera's own clock is looked at, whichever is used later.
      config: {
        ...config,
        clock: 'camera',
        freezeMs: 0,
        stallMs: Math.min(config.stallMs, longestSilenceMs),
      },
      password: config.password,
      signal: attempt.signal,
      watched: () => false,
      described: (facts) => {
        stream = facts;
      },
      deliver(frame) {
        if (!newest) {
          firstAfterMs = performance.now() - startedAt;
          clearTimeout(timer);
          timer = setTimeout(stop, watchMs);
        }
        newest = frame;
      },
      received: (frames) => void counted.push({ at: performance.now(), frames }),
      dropped: () => undefined,
      fault: (code, message) => void faults.set(code, message),
    });
  } catch (cause) {
    if (!attempt.signal.aborted) error = cause;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  }
  return { stream, newest, firstAfterMs, fps: rateOf(counted), faults, error };
}

/** Frames a second between the first and the last count; undefined where it was too short to tell. */
function rateOf(counted: readonly { at: number; frames: number }[]): number | undefined {
  const [first, ...later] = counted;
  const last = later.at(-1);
  if (!first || !last || last.at - first.at < watchMs / 4) return undefined;
  return (later.reduce((sum, { frames }) => sum + frames, 0) * 1000) / (last.at - first.at);
}

function description(config: CameraConfig, stream: StreamFacts, { fps, firstAfterMs }: Look): string {
  const { width, height } = regionPixels(config.region, stream, true);
  const codec = stream.codec === undefined ? ' pictures from files' : ` ${stream.codec}`;
  const isFiles = config.url.startsWith('file:');
  return [
    `${stream.width}×${stream.height}${isFiles || stream.codec ? codec : ''}`,
    ...(fps === undefined || isFiles ? [] : [`${Math.round(fps)} fps`]),
    `region ${width}×${height}`,
    `first frame after ${(firstAfterMs / 1000).toFixed(1)} s`,
  ].join(', ');
}

function faultFindings(check: string, faults: ReadonlyMap<ErrorCode, string>): Finding[] {
  return [...faults]
    .filter(([code]) => code !== 'camera-clock')
    .map(([code, message]) => warning(check, message, errors[code].remedy));
}

function regionFindings(
  check: string,
  { region }: CameraConfig,
  stream: StreamFacts,
  side: number | undefined,
): Finding[] {
  const { width, height } = regionPixels(region, stream, true);
  if (side === undefined || Math.min(width, height) >= side) return [];
  const what = `the region has ${width}×${height} pixels, fewer than the model can see (${side}×${side})`;
  return [
    warning(check, what, 'set the camera to a higher resolution, move it closer, or make region larger'),
  ];
}

function rateFindings(check: string, config: CameraConfig, fps: number | undefined): Finding[] {
  if (config.trigger.kind !== 'continuous' || config.url.startsWith('file:')) return [];
  const wanted = wantedFps(config);
  if (fps === undefined || fps >= wanted * 0.8) return [];
  const what = `it sends ${Math.round(fps)} frames a second, trigger and vote want ${wanted}`;
  return [
    warning(check, what, 'raise the frame rate of the camera or trigger.everyMs, or lower vote.frames'),
  ];
}

function lightFindings(check: string, { data }: Image): Finding[] {
  const mean = data.reduce((sum, value) => sum + value, 0) / data.length;
  if (mean > 6 && mean < 249) return [];
  const what = `the region is almost ${mean <= 6 ? 'black' : 'white'} (mean ${Math.round(mean)} of 255)`;
  return [warning(check, what, 'look at lens cap, light, aperture and exposure of the camera')];
}

/** How far the camera's clock is ahead of ours, ms; about zero where the stream does not tell it. */
function clockOffset({ newest, faults }: Look): number {
  const unbelievable = /(-?\d+) s off/.exec(faults.get('camera-clock') ?? '');
  if (unbelievable) return Number(unbelievable[1]) * 1000;
  return newest ? newest.capturedAt - newest.receivedAt : 0;
}

/** A wrong clock matters where capture times are the camera's; elsewhere it is good to know. */
export function clockFindings(name: string, config: Pick<CameraConfig, 'clock'>, offMs: number): Finding[] {
  if (Math.abs(offMs) <= clockToleranceMs) return [];
  const check = `camera ${name} clock`;
  const what = `${(Math.abs(offMs) / 1000).toFixed(1)} s ${offMs > 0 ? 'ahead of' : 'behind'} this machine`;
  return config.clock === 'camera'
    ? [failure(check, what, errors['camera-clock'].remedy)]
    : [warning(check, `${what}; not used, clock is arrival`, 'set the clock of the camera by NTP')];
}
