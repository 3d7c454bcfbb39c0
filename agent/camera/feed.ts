import { type ErrorCode, QcError } from '../../config/errors.ts';
import type { CameraConfig } from '../../config/schema.ts';
import type { Frame, Region } from '../../models/image.ts';
import { monotonicMs } from '../../models/run/monotonic.ts';
import { FaultLog, type Log } from '../lifecycle/log.ts';
import { retry } from '../lifecycle/retry.ts';
import { type Credentials, loginWith, nextLogin, openSecret, type Secret } from '../lifecycle/secret.ts';
import { Aim, type AimViewer } from './aim.ts';
import type { CameraEvent, CameraFeed } from './camera.ts';
import { type CameraCondition, Conditions, type SetCondition } from './condition.ts';
import { DamagePatience } from './damage.ts';
import { readWithFfmpeg } from './ffmpeg/source.ts';
import { readFiles } from './file/source.ts';
import { regionPixels, type Size } from './geometry.ts';
import { Lateness } from './lateness.ts';
import { LiveRegion, sameRegion } from './live-region.ts';
import { readWithNodeAv } from './node-av/source.ts';
import { wantedFps } from './rate.ts';
import { Repeats } from './repeats.ts';
import { FrameSlot } from './slot.ts';
import type { CameraSource, DropReason, SourceContext } from './source.ts';

/** Is notified of everything that happens to a camera: for metrics and status. */
export interface CameraObserver {
  up(camera: string): void;
  down(camera: string, code: ErrorCode, reason: string): void;
  /** The camera came back after it had been up before. */
  reconnected(camera: string): void;
  /** Frames decoded, judged later or not. */
  received(camera: string, frames: number): void;
  dropped(camera: string, reason: DropReason, frames: number): void;
  /** Something is wrong, whether or not it ended the connection. */
  fault(camera: string, code: ErrorCode): void;
  /** A condition was set, or cleared with an empty text. */
  condition(camera: string, condition: CameraCondition, text: string): void;
}

export interface CameraFeedDeps {
  readonly log: Log;
  readonly observer: CameraObserver;
  /** How to read it; default: as the configuration says. */
  readonly source?: CameraSource;
}

/** The source that reads a camera with this configuration. */
export function sourceFor(config: Pick<CameraConfig, 'url' | 'decoder'>): CameraSource {
  if (config.url.startsWith('file:')) return readFiles;
  return config.decoder === 'ffmpeg' ? readWithFfmpeg : readWithNodeAv;
}

/**
 * Opens a camera and reads it until it is closed: an attempt that ends is followed by another one, with back-off. Returns
 * at once: an unreachable camera is down, not an error. After close its process has exited and its files are closed.
 */
export async function openCameraFeed(
  camera: string,
  config: CameraConfig,
  deps: CameraFeedDeps,
): Promise<CameraFeed> {
  const password = await openSecret(config, deps.log.child({ component: 'camera', camera }));
  const feed = new Feed(camera, config, password, deps);
  feed.start(config, deps);
  return feed;
}

/** Maximum wait between two attempts, ms. */
const maxWaitMs = 10_000;

const isLoginRefused = (error: unknown) => error instanceof QcError && error.code === 'camera-unauthorized';

class Feed implements CameraFeed {
  readonly camera: string;
  readonly maxSilenceMs: number;
  #lastActiveAt = performance.now();
  #up = false;
  #wasUp = false;
  /** Why it was down the last time. */
  #lostBecause = '';
  #reason = 'connecting';
  #newest: Frame | undefined;
  readonly #lateness: Lateness;
  readonly #repeats: Repeats;
  #watched = false;
  readonly #aim = new Aim();
  readonly #observer: CameraObserver;
  readonly #log: Log;
  readonly #faults: FaultLog;
  readonly #slot: FrameSlot;
  readonly #cut: LiveRegion;
  /** Size of the whole image, once it is known. */
  #size: Size | undefined;
  /** Whether no frame of the changed region has arrived yet, and the callers that wait for one. */
  #recut = false;
  readonly #seen: (() => void)[] = [];
  readonly #conditions = new Conditions();
  readonly #password: Secret;
  readonly #stop = new AbortController();
  #finished: Promise<void> = Promise.resolve();

  constructor(camera: string, config: CameraConfig, password: Secret, { log, observer }: CameraFeedDeps) {
    this.camera = camera;
    this.#password = password;
    this.#cut = new LiveRegion(config.region);
    // An attempt may be silent while it starts, waits for a first image and times out; the minute is for overloaded
    // machines.
    this.maxSilenceMs = 60_000 + maxWaitMs + 2 * config.stallMs + 2_000 / wantedFps(config);
    this.#observer = observer;
    this.#log = log.child({ component: 'camera', camera });
    this.#faults = new FaultLog(this.#log);
    const condition: SetCondition = (kind, text) => this.condition(kind, text);
    this.#lateness = new Lateness(config.maxAgeMs, condition);
    this.#repeats = new Repeats(config.freezeMs, condition);
    this.#slot = new FrameSlot(() => observer.dropped(camera, 'overwritten', 1));
  }

  start(config: CameraConfig, { source = sourceFor(config) }: CameraFeedDeps): void {
    const { camera } = this;
    const observer = this.#observer;
    const password = this.#password;
    const patience = new DamagePatience(config.damageMs);
    const context = (signal: AbortSignal): SourceContext => ({
      camera,
      config,
      password: password.value,
      signal,
      cut: this.#cut,
      aim: this.#aim,
      damageMs: patience.start(performance.now()),
      described: (stream) => {
        this.#size = stream;
      },
      watched: () => this.#watched,
      deliver: (frame) => this.#deliver(frame, signal),
      received: (frames) => {
        this.#showActivity();
        observer.received(camera, frames);
      },
      dropped: (reason, frames) => observer.dropped(camera, reason, frames),
      condition: (condition, text) => this.condition(condition, text),
      clock: (report) => this.#lateness.clock(report),
      reference: this.#lateness.reference,
      fault: (code, message) => {
        this.#showActivity();
        observer.fault(camera, code);
        this.#faults.warn(message, { code });
      },
    });
    const attempt = async (signal: AbortSignal) => {
      this.#showActivity();
      try {
        await source(context(signal));
      } catch (error) {
        if (error instanceof QcError && error.code === 'camera-corrupt') patience.reopened(performance.now());
        throw error;
      }
    };
    this.#finished = retry(attempt, {
      signal: this.#stop.signal,
      maxMs: maxWaitMs,
      login: loginWith(password, isLoginRefused),
      onFailure: (error, waitMs) => this.#lost(error, waitMs, config),
    });
  }

  get up(): boolean {
    return this.#up;
  }

  get reason(): string {
    const blocked = this.blocked;
    if (this.#up || this.#reason.includes(blocked)) return this.#reason;
    return `${this.#reason}; ${blocked}`;
  }

  get blocked(): string {
    return this.#conditions.blocking;
  }

  get remarks(): string {
    return this.#conditions.remarks;
  }

  condition(condition: CameraCondition, text: string): void {
    if (!this.#conditions.set(condition, text)) return;
    if (text) this.#faults.warn(text, { condition });
    else this.#faults.info(`${condition}: the condition is over`, { condition });
    this.#observer.condition(this.camera, condition, text);
  }

  get newestAt(): number | undefined {
    return this.#newest?.capturedAt;
  }

  get newestAgeMs(): number | undefined {
    return this.#newest && monotonicMs() - this.#newest.times.capturedAt;
  }

  get newestPrint(): string | undefined {
    return this.#repeats.newest;
  }

  get lagMs(): number | undefined {
    return this.#lateness.lagMs;
  }

  get drift(): number {
    return this.#lateness.drift;
  }

  get lastActiveAt(): number {
    return this.#lastActiveAt;
  }

  next(signal: AbortSignal): Promise<CameraEvent> {
    return this.#slot.next(signal);
  }

  watch(on: boolean): void {
    this.#watched = on;
  }

  aim(viewer: AimViewer): Disposable {
    return this.#aim.watch(viewer);
  }

  get aimProblem(): string {
    return this.#aim.problem;
  }

  get region(): Region {
    return this.#cut.value;
  }

  checkRegion(region: Region): void {
    if (this.#size) regionPixels(region, this.#size, true);
  }

  cut(region: Region): Promise<void> {
    this.checkRegion(region);
    if (!sameRegion(region, this.region)) {
      this.#slot.drop();
      this.#cut.value = region;
      this.#recut = this.#up;
    }
    return this.#recut ? new Promise((resolve) => this.#seen.push(resolve)) : Promise.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#finished;
    await this.#password[Symbol.asyncDispose]();
    this.#settleCut();
  }

  #settleCut(): void {
    this.#recut = false;
    for (const resolve of this.#seen.splice(0)) resolve();
  }

  #showActivity(): void {
    this.#lastActiveAt = performance.now();
  }

  #deliver(frame: Frame, signal: AbortSignal): void {
    if (signal.aborted) return;
    this.#showActivity();
    if (frame.region && !sameRegion(frame.region, this.region)) {
      this.#observer.dropped(this.camera, 'recut', 1);
      return;
    }
    this.#settleCut();
    if (!this.#up) this.#markUp(frame);
    const late = this.#lateness.observe(frame.times.capturedAt, frame.times.takenAt);
    const doubt = frame.doubt ?? late;
    this.#newest = { ...frame, ...this.#repeats.observe(frame), ...(doubt !== undefined && { doubt }) };
    this.#slot.put(this.#newest);
  }

  #markUp({ image }: Frame): void {
    this.#up = true;
    this.#reason = '';
    this.#observer.up(this.camera);
    const fields = {
      ...(this.#size && { cameraSize: sizeText(this.#size) }),
      decodedSize: sizeText(image),
    };
    if (this.#wasUp) {
      this.#observer.reconnected(this.camera);
      // As seldom as the fault itself, if it repeats.
      this.#faults.info(`the camera is up again after: ${this.#lostBecause}`, fields);
    } else this.#log.info(fields, 'the camera is up');
    this.#wasUp = true;
  }

  #lost(error: unknown, waitMs: number, credentials: Credentials): void {
    // The wait after a refused log-in is longer than the silence after which the loop counts as hung.
    this.#lastActiveAt = performance.now() + waitMs;
    const known = error instanceof QcError ? error : new QcError('internal', String(error), { cause: error });
    const wasUp = this.#up;
    // Set before observers are notified: they read it.
    this.#up = false;
    const refused = isLoginRefused(known);
    this.#lostBecause = known.message;
    this.#reason = refused ? `${known.line}; ${nextLogin(credentials, waitMs)}` : known.line;
    this.#observer.fault(this.camera, known.code);
    const fields = { code: known.code, retryInMs: waitMs };
    // Rare enough to log each one, also the one right after a new password.
    if (refused) this.#log.warn(fields, this.#reason);
    else this.#faults.warn(this.#reason, fields);
    if (wasUp) this.#slot.lose(known.message);
    this.#settleCut();
    this.#observer.down(this.camera, known.code, this.#reason);
  }
}

const sizeText = ({ width, height }: { readonly width: number; readonly height: number }) =>
  `${width} × ${height}`;
