import { defaultRecipe } from '../config/resolve.ts';
import type { StationState, Status } from './publish/messages.ts';

/** What the station's state is derived from, read each time it is asked for. */
export interface StationSources {
  /** The recipe in force. */
  recipe(): string;
  cameras(): readonly {
    readonly camera: string;
    readonly up: boolean;
    /** Why it is down. */
    readonly reason: string;
    /** Why its frames show no part as it is now; empty if they do. */
    readonly blocked: string;
    /** What else is wrong with it, in words. */
    readonly remarks: string;
  }[];
  broker(): { readonly connected: boolean; readonly reason: string };
  /** Why results are not on the disk; empty while they are. */
  outbox(): string;
  /** The model; undefined while it loads. */
  model():
    | { readonly version: string; readonly fault: string | undefined; readonly notice: string }
    | undefined;
}

/** How long cameras and broker may take to come up before the station is degraded rather than starting, ms. */
const startingMs = 10_000;

/** The station's state and why; nothing else decides whether it is `inspecting`. */
export class Station {
  readonly #version: string;
  /** Until its part of the agent is open, a source says that nothing is there yet. */
  readonly #sources: StationSources = {
    recipe: () => defaultRecipe,
    cameras: () => [],
    broker: () => ({ connected: false, reason: 'not connected yet' }),
    outbox: () => '',
    model: () => undefined,
  };
  readonly #notices = new Map<string, string>();
  readonly #listeners: (() => void)[] = [];
  readonly #startedAt = performance.now();
  #stopping = false;
  #calibrating = false;
  #since = Date.now();
  #said: StationState = 'starting';
  #wasReady = false;

  /** @param version of the agent */
  constructor(version: string) {
    this.#version = version;
  }

  /** A part of the agent is open, and says from now on how it is. */
  watch(sources: Partial<StationSources>): void {
    Object.assign(this.#sources, sources);
  }

  /** Called whenever something has changed that the status shows. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** A camera, the broker or the model says that it has changed. */
  changed(): void {
    const { state } = this;
    if (state !== this.#said) {
      this.#said = state;
      this.#since = Date.now();
    }
    for (const listener of this.#listeners) listener();
  }

  /** Something that degrades the station until it is taken back with an empty text. */
  notice(key: string, text: string): void {
    if ((this.#notices.get(key) ?? '') === text) return;
    if (text) this.#notices.set(key, text);
    else this.#notices.delete(key);
    this.changed();
  }

  set calibrating(on: boolean) {
    this.#calibrating = on;
    this.changed();
  }

  get calibrating(): boolean {
    return this.#calibrating;
  }

  /** Looks again when the time to start is over; hands back what takes that back. */
  startingEnds(): () => void {
    const timer = setTimeout(() => this.changed(), startingMs + 100);
    return () => clearTimeout(timer);
  }

  stopping(): void {
    this.#stopping = true;
    this.changed();
  }

  get state(): StationState {
    if (this.#stopping) return 'stopping';
    if (!this.#sources.model()) return 'starting';
    const ready = this.checks.every((check) => check.ready);
    if (!ready && !this.#wasReady && performance.now() - this.#startedAt < startingMs) return 'starting';
    this.#wasReady ||= ready;
    if (this.reasons.length > 0) return 'degraded';
    return this.#calibrating ? 'calibrating' : 'inspecting';
  }

  /** Why not all is well, in the operator's words. */
  get reasons(): string[] {
    const failing = this.checks.filter(({ ready }) => !ready).map(({ name, reason }) => `${name}: ${reason}`);
    const notice = this.#sources.model()?.notice;
    if (notice) failing.push(notice);
    for (const { camera, remarks } of this.#sources.cameras()) {
      if (remarks) failing.push(`camera ${camera}: ${remarks}`);
    }
    return [...failing, ...this.#notices.values()];
  }

  /** State and reasons in one line. */
  get line(): string {
    const { state, reasons } = this;
    // What goes away while it stops is no news.
    return reasons.length > 0 && state !== 'stopping' ? `${state}: ${reasons.join('; ')}` : state;
  }

  /** What must be well for the station to inspect, each with why it is not. */
  get checks(): { name: string; ready: boolean; reason: string }[] {
    const { connected, reason } = this.#sources.broker();
    const outbox = this.#sources.outbox();
    const model = this.#sources.model();
    const fault = model ? model.fault : 'loading';
    return [
      ...this.#sources.cameras().map(({ camera, up, reason, blocked }) => ({
        name: `camera ${camera}`,
        ready: up && blocked === '',
        reason: up ? blocked : reason,
      })),
      { name: 'broker', ready: connected, reason },
      { name: 'outbox', ready: outbox === '', reason: outbox },
      { name: 'model', ready: fault === undefined, reason: fault ?? '' },
    ];
  }

  /** Why no part can be judged now, cameras aside; empty where it can. */
  get obstacle(): string {
    if (this.#stopping) return 'the agent is stopping';
    const model = this.#sources.model();
    return model ? (model.fault ?? '') : 'the model is loading';
  }

  get status(): Status {
    const cameras = this.#sources.cameras().map(({ camera, up }) => [camera, up ? 'up' : 'down'] as const);
    return {
      schema: 1,
      online: true,
      state: this.state,
      reasons: this.reasons,
      version: this.#version,
      model: this.#sources.model()?.version ?? 'none',
      recipe: this.#sources.recipe(),
      cameras: Object.fromEntries(cameras),
      since: new Date(this.#since).toISOString(),
    };
  }
}
