import { defaultRecipe } from '../config/resolve.ts';
import type { ChallengeView, StationState, Status } from './publish/messages.ts';

/** Sources of the station's state, read each time the state is requested. */
export interface StationSources {
  /** The active recipe. */
  recipe(): string;
  cameras(): readonly {
    readonly camera: string;
    readonly up: boolean;
    /** Why it is down. */
    readonly reason: string;
    /** Why its frames do not show the current part; empty if they do. */
    readonly blocked: string;
    /** Other problems of the camera, as text. */
    readonly remarks: string;
  }[];
  broker(): { readonly connected: boolean; readonly reason: string };
  /** Why results are not written to the disk; empty while they are. */
  outbox(): string;
  /** The model; undefined while it loads. */
  model():
    | { readonly version: string; readonly fault: string | undefined; readonly notice: string }
    | undefined;
  /** State of the challenge test; undefined if there is none. */
  challenge(): ChallengeView | undefined;
}

/** Why the station does not inspect as it should. */
export interface Limit {
  readonly kind: 'camera' | 'model' | 'storage' | 'broker' | 'degraded';
  /** What is affected, such as `camera top`; the same while it lasts. */
  readonly cause: string;
  readonly reason: string;
  /** Whether parts cannot be judged because of it. */
  readonly stops: boolean;
}

/** What judges the parts. */
export interface StationFacts {
  /** Model version, or `none`. */
  readonly model: string;
  readonly recipe: string;
  readonly mode: 'inspection' | 'calibration';
}

/** Time for cameras and broker to come up before the station counts as degraded instead of starting, ms. */
const startingMs = 10_000;

/** The station's state with its reasons; the only place that decides whether it is `inspecting`. */
export class Station {
  readonly #version: string;
  /** Default values of the sources until their parts of the agent are open. */
  readonly #sources: StationSources = {
    recipe: () => defaultRecipe,
    cameras: () => [],
    broker: () => ({ connected: false, reason: 'not connected yet' }),
    outbox: () => '',
    model: () => undefined,
    challenge: () => undefined,
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

  /** Sets sources when their part of the agent is open. */
  watch(sources: Partial<StationSources>): void {
    Object.assign(this.#sources, sources);
  }

  /** Sets a listener for changes of the status. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** To be called when a camera, the broker or the model has changed. */
  changed(): void {
    const { state } = this;
    if (state !== this.#said) {
      this.#said = state;
      this.#since = Date.now();
    }
    for (const listener of this.#listeners) listener();
  }

  /** Sets a reason that degrades the station until it is cleared with an empty text. */
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

  /** Checks again when the start time is over; returns a function that cancels this. */
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

  /** Reasons why the station is degraded, for the operator. */
  get reasons(): string[] {
    const failing = this.checks.filter(({ ready }) => !ready).map(({ name, reason }) => `${name}: ${reason}`);
    const notice = this.#sources.model()?.notice;
    if (notice) failing.push(notice);
    for (const { camera, remarks } of this.#sources.cameras()) {
      if (remarks) failing.push(`camera ${camera}: ${remarks}`);
    }
    return [...failing, ...this.#notices.values()];
  }

  /** What limits the inspection now; at most one for each cause. */
  get limits(): Limit[] {
    const kinds = { broker: 'broker', outbox: 'storage', model: 'model' } as const;
    const failing = this.checks
      .filter(({ ready }) => !ready)
      .map(({ name, reason }): Limit => {
        const kind = Object.hasOwn(kinds, name) ? kinds[name as keyof typeof kinds] : 'camera';
        return { kind, cause: name, reason, stops: kind === 'camera' || kind === 'model' };
      });
    const model = this.#sources.model();
    // Without a fault it runs, but has no head that can tell good from bad.
    if (model?.notice && model.fault === undefined)
      failing.push({ kind: 'model', cause: 'model', reason: model.notice, stops: true });
    const remarks = this.#sources
      .cameras()
      .map(({ camera, remarks }) => [`image of camera ${camera}`, remarks] as const);
    for (const [cause, reason] of [...remarks, ...this.#notices])
      if (reason) failing.push({ kind: 'degraded', cause, reason, stops: false });
    return failing;
  }

  /** Undefined while the model loads. */
  get facts(): StationFacts | undefined {
    const model = this.#sources.model();
    const mode = this.#calibrating ? 'calibration' : 'inspection';
    return model && { model: model.version, recipe: this.#sources.recipe(), mode };
  }

  /** State and reasons in one line. */
  get line(): string {
    const { state, reasons } = this;
    // While it stops, disconnections are expected.
    return reasons.length > 0 && state !== 'stopping' ? `${state}: ${reasons.join('; ')}` : state;
  }

  /** Conditions for inspecting, each with the reason why it is not met. */
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

  /** Why parts cannot be judged now (apart from cameras); empty if they can. */
  get obstacle(): string {
    if (this.#stopping) return 'the agent is stopping';
    const model = this.#sources.model();
    return model ? (model.fault ?? '') : 'the model is loading';
  }

  get status(): Status {
    const challenge = this.#sources.challenge();
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
      ...(challenge && { challenge }),
    };
  }
}
