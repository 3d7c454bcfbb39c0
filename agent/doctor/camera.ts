/** Checks a camera: reads it like the agent, until the first frame and a moment longer. */
import { type ErrorCode, errors, QcError } from '../../config/errors.ts';
import type { CameraConfig } from '../../config/schema.ts';
import type { Frame, Image } from '../../models/image.ts';
import type { CameraCondition } from '../camera/condition.ts';
import { sourceFor } from '../camera/feed.ts';
import { regionPixels } from '../camera/geometry.ts';
import { wantedFps } from '../camera/rate.ts';
import type { ClockReport, StreamFacts } from '../camera/source.ts';
import { type Finding, failure, failureOf, good, warning } from './finding.ts';

/** Maximum wait for the first frame, ms: longer than a source needs to give up and say why. */
const firstFrameMs = 25_000;
/**
 * Reading time after the first frame, ms: for the frame rate, for damage, for the rate of the timestamps, and for the first
 * sender report with the camera's clock, which arrives within 3.1 s (RFC 3550 clause 6.3.1: 2.5 s × 1.5 / 1.218).
 */
const watchMs = 4_500;
/** Frames that arrived while the decoder started are read in a burst of this length, ms. */
const backlogMs = 1_000;
/** Longest silence of a camera to wait for, also if stallMs is longer, ms. */
const maxSilenceMs = 5_000;
/** Timestamps may run slow or fast by this much, ms per ms. */
const driftTolerance = 0.005;
/** A camera clock may be this far from ours, ms. */
const clockToleranceMs = 1_000;

/** Observations of a camera. */
interface Look {
  readonly stream: StreamFacts | undefined;
  readonly newest: Frame | undefined;
  readonly clock: ClockReport | undefined;
  /** From the start of the attempt to its first frame, ms. */
  readonly firstAfterMs: number;
  readonly fps: number | undefined;
  /** Faults that did not end the attempt: the last message of each kind. */
  readonly faults: ReadonlyMap<ErrorCode, string>;
  /** Texts of the conditions; empty if they are over. */
  readonly conditions: ReadonlyMap<CameraCondition, string>;
  /** The reason why the attempt ended without a stop. */
  readonly error: unknown;
}

export interface CameraCheck {
  /** Shorter side of the model's input, pixels; undefined if the model cannot be opened. */
  readonly side: number | undefined;
  readonly signal: AbortSignal;
  /** Called with the newest image. */
  readonly onImage?: (image: Image) => void;
}

export async function checkCamera(
  name: string,
  config: CameraConfig,
  { side, signal, onImage }: CameraCheck,
): Promise<Finding[]> {
  const check = `camera ${name}`;
  const look = await lookAt(name, config, signal);
  signal.throwIfAborted();
  const { stream, newest, error } = look;
  if (newest) onImage?.(newest.image);
  if (error !== undefined) return [failureOf(check, error)];
  if (!stream || !newest) {
    const code = stream ? 'camera-stalled' : 'camera-unreachable';
    return [failureOf(check, new QcError(code, `no image within ${firstFrameMs / 1000} s`))];
  }
  return [
    good(check, description(config, stream, look)),
    ...faultFindings(check, look.faults),
    ...fieldFindings(check, look.conditions),
    ...regionFindings(check, config, stream, side),
    ...rateFindings(check, config, look.fps),
    ...lightFindings(check, newest.image),
    ...clockFindings(name, config, look),
    ...driftFindings(check, look.clock),
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
  let clock: ClockReport | undefined;
  let firstAfterMs = 0;
  const counted: { at: number; frames: number }[] = [];
  const faults = new Map<ErrorCode, string>();
  const conditions = new Map<CameraCondition, string>();
  let error: unknown;
  try {
    await sourceFor(config)({
      camera: name,
      // The camera's own clock is checked even if it is not used later.
      config: {
        ...config,
        clock: 'camera',
        freezeMs: 0,
        stallMs: Math.min(config.stallMs, maxSilenceMs),
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
      clock(report) {
        clock = report;
      },
      condition: (condition, text) => void conditions.set(condition, text),
      fault: (code, message) => void faults.set(code, message),
    });
  } catch (cause) {
    if (!attempt.signal.aborted) error = cause;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  }
  return { stream, newest, clock, firstAfterMs, fps: rateOf(counted), faults, conditions, error };
}

/** Frames per second after the initial burst; undefined if the time was too short. */
function rateOf(counted: readonly { at: number; frames: number }[]): number | undefined {
  const settledAt = (counted[0]?.at ?? 0) + backlogMs;
  const [first, ...later] = counted.filter(({ at }) => at >= settledAt);
  const last = later.at(-1);
  if (!first || !last || last.at - first.at < watchMs / 4) return undefined;
  return (later.reduce((sum, { frames }) => sum + frames, 0) * 1000) / (last.at - first.at);
}

function description(config: CameraConfig, stream: StreamFacts, { fps, firstAfterMs }: Look): string {
  const { width, height } = regionPixels(config.region, stream, true);
  const isFiles = config.url.startsWith('file:');
  const kind = isFiles ? ' from files' : stream.codec === undefined ? '' : ` ${stream.codec}`;
  return [
    `${stream.width}×${stream.height}${kind}`,
    ...(fps === undefined || isFiles ? [] : [`${Math.round(fps)} fps`]),
    `region ${width}×${height}`,
    `first frame after ${(firstAfterMs / 1000).toFixed(1)} s`,
  ].join(', ');
}

function faultFindings(check: string, faults: ReadonlyMap<ErrorCode, string>): Finding[] {
  return [...faults].map(([code, message]) => warning(check, message, errors[code].remedy));
}

function fieldFindings(check: string, conditions: ReadonlyMap<CameraCondition, string>): Finding[] {
  const what = conditions.get('interlaced');
  if (!what) return [];
  return [
    warning(
      check,
      what,
      'set the camera to progressive video: an interlaced field has only half of the rows, so fine defects may be missed',
    ),
  ];
}

function regionFindings(
  check: string,
  { region }: CameraConfig,
  stream: StreamFacts,
  side: number | undefined,
): Finding[] {
  const { width, height } = regionPixels(region, stream, true);
  if (side === undefined || Math.min(width, height) >= side) return [];
  const what = `the region has ${width}×${height} pixels, fewer than the input of the model (${side}×${side})`;
  return [
    warning(check, what, 'set the camera to a higher resolution, move it closer, or make region larger'),
  ];
}

function rateFindings(check: string, config: CameraConfig, fps: number | undefined): Finding[] {
  if (config.trigger.kind !== 'continuous' || config.url.startsWith('file:')) return [];
  const wanted = wantedFps(config);
  if (fps === undefined || fps >= wanted * 0.8) return [];
  const what = `it sends ${Math.round(fps)} frames per second, trigger and vote need ${wanted}`;
  return [
    warning(check, what, 'raise the frame rate of the camera or trigger.everyMs, or lower vote.frames'),
  ];
}

function lightFindings(check: string, { data }: Image): Finding[] {
  let dark = 0;
  let bright = 0;
  for (const value of data) {
    if (value <= 24) dark++;
    else if (value >= 231) bright++;
  }
  const whole = data.length * 0.999;
  if (dark < whole && bright < whole) return [];
  const what = `the region is all ${dark >= whole ? 'black' : 'white'}`;
  return [warning(check, what, 'check the lens cap, light, aperture and exposure of the camera')];
}

/** A wrong clock is a failure if capture times use it; otherwise it is a warning. */
function clockFindings(name: string, { clock }: CameraConfig, { newest, clock: report }: Look): Finding[] {
  const what = report?.cameraFault || (newest && clockFault(newest));
  if (what === undefined) return [];
  const check = `camera ${name} clock`;
  return clock === 'camera'
    ? [failure(check, what, errors['camera-clock'].remedy)]
    : [
        warning(
          check,
          what,
          'synchronize the clock of the camera by NTP; it is not used while clock is arrival',
        ),
      ];
}

/** Timestamps that run slow or fast are harmless, but a growing delay looks the same. */
function driftFindings(check: string, report: ClockReport | undefined): Finding[] {
  if (!report) return [];
  const { drift, fault } = report;
  if (Math.abs(drift) < driftTolerance && fault === '') return [];
  const percent = `${Math.abs(drift * 100).toFixed(1)} %`;
  const runs = `the timestamps of the stream run ${percent} ${drift > 0 ? 'slow' : 'fast'}`;
  return [
    warning(
      check,
      Math.abs(drift) < driftTolerance ? fault : runs,
      'set a frame rate that the camera can sustain, or check whether something between it and the agent delays the stream increasingly',
    ),
  ];
}

/**
 * A clock difference that is too large for transmission delay; undefined if the stream does not contain the camera's clock.
 */
export function clockFault({ capturedAt, receivedAt }: Frame): string | undefined {
  const offMs = capturedAt - receivedAt;
  if (Math.abs(offMs) <= clockToleranceMs) return undefined;
  return `the camera clock is ${(Math.abs(offMs) / 1000).toFixed(1)} s ${offMs > 0 ? 'ahead' : 'behind'}`;
}
