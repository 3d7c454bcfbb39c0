/** Base, head and worker threads as one component: judges images, swaps heads without losing a request, restarts failed threads. */
import { QcError } from '../config/errors.ts';
import type { ModelConfig } from '../config/schema.ts';
import { activeHead, isMismatch, loaded, requireFit } from './active-head.ts';
import { replacementOf } from './base.ts';
import { misfitOf } from './head.ts';
import type { Image } from './image.ts';
import { createInFlight } from './in-flight.ts';
import type { BaseManifest, HeadManifest } from './manifest.ts';
import type { RemoteNews, SessionFacts } from './run/messages.ts';
import type { RanOn } from './run/providers.ts';
import { type Judgement, type JudgeOptions, openSession, type Session } from './run/session.ts';
import { openBesides } from './shadow-session.ts';
import { baseForIn, baseToStartOn } from './versions/pair.ts';
import { type HeadVersion, openStore } from './versions/store.ts';

export interface InspectorOptions {
  readonly model: ModelConfig;
  readonly storageDirectory: string;
  /** Receives messages for the operator, such as a head that was not used or a thread that was restarted. */
  readonly onNotice: (text: string) => void;
  /** Receives events of the inference server; the first one before the inspector is open. */
  readonly onRemote?: (news: RemoteNews) => void;
  /** Replaces session-worker.ts (for tests of a thread that fails). */
  readonly worker?: URL;
}

export interface ModelInfo {
  /** `none` without a head. */
  readonly version: string;
  readonly base: string;
  readonly precision: string;
  /** Why this variant of the base was chosen. */
  readonly because: string;
  /** The provider that runs the base now. */
  readonly provider: string;
  /** Maximum number of images in one run. */
  readonly batch: number;
  /** Why the providers that were tried first are not used. */
  readonly why: readonly string[];
  /** Growth of the resident memory of the process when the base was opened, bytes. */
  readonly memoryBytes?: number;
}

export interface JudgementOnBase extends Judgement {
  /** Name of the base that the head judged with. */
  readonly base: string;
}

export interface Inspector extends AsyncDisposable {
  readonly model: ModelInfo;
  /** Growth of the resident memory when each open base was opened: that in use, and that of a shadow version. */
  readonly memory: readonly { readonly base: string; readonly bytes: number }[];
  /** Number of concurrent images that uses its full throughput. */
  readonly concurrency: number;
  /** Why nothing can be judged at the moment; undefined if it works. */
  readonly fault: string | undefined;
  readonly manifest: BaseManifest;
  /**
   * Why a head is not used because it was trained on another base: the active one, or one that `keepHead` refused for this
   * reason. Parts are then judged without a head and are uncertain. Undefined if there is no such head.
   */
  misfit(version?: string): QcError | undefined;
  /** Labels of the head; empty without one. */
  readonly labels: readonly string[];
  /** Rules from the manifest of a head that judges or has judged; undefined if those of the config apply. */
  rulesOf(
    version: string,
  ): Partial<Pick<HeadManifest, 'thresholds' | 'familiar' | 'scoreLimit' | 'where' | 'labels'>>;
  /**
   * Rejects with `overloaded` if too many images are pending, and with `inference-stopped` if the thread failed.
   */
  judge(image: Image, by?: JudgeOptions): Promise<JudgementOnBase>;
  /** Pooled features of the base, [size]; for training and drift. */
  features(image: Image): Promise<Float32Array>;
  /**
   * Switches to another version of the store, and to its base if that is another one: until that base is loaded, the old pair judges.
   * Once it resolves, new requests use that version; earlier requests use the old one. A version that is damaged or whose base is
   * not installed is refused, and the old one stays active. One call at a time.
   */
  swapHead(version: string): Promise<void>;
  /**
   * Sets or removes the shadow version, which judges the same images as the head. One of another base has a session of its own
   * (shadow-session.ts). @throws as `swapHead`
   */
  useShadow(version: string | undefined): Promise<void>;
  /** Loads a version that judges only requests that name it (the head of a recipe). @throws as `swapHead` */
  keepHead(version: string): Promise<void>;
}

/** Maximum number of consecutive restarts of the thread without a judgement in between. */
const maxRestarts = 3;
/** Number of heads that no longer judge and whose rules are kept, for parts that they have judged already. */
const maxRules = 64;
/** Rules for a head that is not known: no part is familiar, so no part passes. */
const unknownRules = { familiar: Number.POSITIVE_INFINITY };
/** Maximum number of pending requests while the thread restarts. */
const maxPending = 64;

/**
 * Opens base, provider and the active head. A store without a head is valid; so is an active head of another base, which is not
 * used (`misfit`). If the active head is damaged, the latest intact one that was active before is used. Throws what
 * `openSession` throws, or `head-damaged`.
 */
export async function openInspector(options: InspectorOptions): Promise<Inspector> {
  const { model: config, storageDirectory, onNotice } = options;
  const store = await openStore(storageDirectory);
  /** Provider and precision in use, if they can change. */
  let ranOn: RanOn | undefined;
  /** Replaced together with `session`, `facts` and `head`. */
  let base = await baseToStartOn(config, storageDirectory);
  /** Of the session in use. */
  let listener: Listener = { isInUse: true };
  let session = await start(listener);
  let { facts } = session;
  let head: HeadVersion | undefined;
  let shadow: HeadVersion | undefined;
  const kept = new Map<string, HeadVersion>();
  let misfit: QcError | undefined;
  const keptMisfits = new Map<string, QcError>();
  /** Newest last. Requests from before a swap are still judged by the rules of their own head. */
  const rules = new Map<string, HeadManifest>();
  const remember = (used: HeadVersion | undefined) => {
    if (!used) return;
    rules.delete(used.version);
    rules.set(used.version, used.manifest);
    for (const old of rules.keys()) if (rules.size > maxRules) rules.delete(old);
  };
  try {
    ({ head, misfit } = await activeHead(store, facts, onNotice));
    if (misfit) onNotice(`${misfit.message}; every part is uncertain — ${misfit.remedy}`);
    const replacement = replacementOf(config.base);
    if (replacement !== undefined && facts.manifest.name === replacement) {
      onNotice(
        `model.base: ${config.base} is no longer part of qc-edge-agent; ${replacement} is used instead — set model.base to ${replacement}`,
      );
    }
    for (const [what, manifest] of [
      [`base ${facts.manifest.name}`, facts.manifest],
      [`model version ${head?.version}`, head?.manifest],
    ] as const) {
      if (manifest?.schema !== 1) continue;
      onNotice(
        `the manifest of ${what} has no checksum, so damage to it is not detected; add one with: qc-agent models seal`,
      );
    }
    remember(head);
    await session.useHead(loaded(head));
  } catch (error) {
    await session[Symbol.asyncDispose]();
    throw error;
  }

  const inFlight = createInFlight();
  const besides = openBesides((on) => start({ isInUse: false }, undefined, on, facts.needBytes));
  /** The session that was replaced last; settles when it is closed. */
  let retiring: Promise<void> | undefined;
  let closed = false;
  let failures = 0;
  let broken: QcError | undefined;
  /** Set while the thread restarts. */
  let starting: Promise<void> | undefined;
  let pending = 0;
  watch(session);

  /** A restarted thread uses the same variant as before, so `model` stays correct. A server reports its own again. */
  function start(
    own: Listener,
    precision: ModelConfig['precision'] = config.precision,
    on = base,
    heldBytes = 0,
  ): Promise<Session> {
    return openSession({
      base: on,
      precision,
      storageDirectory,
      provider: config.provider,
      threads: config.threads,
      batch: config.batch,
      maxMemoryMb: config.maxMemoryMb,
      heldBytes,
      gpu: config.gpu,
      profile: config.profile,
      remote: config.remote,
      onRemote(news) {
        own.last = news.kind === 'asked' ? own.last : news;
        if (own.isInUse) hear(news);
      },
      ...(options.worker && { worker: options.worker }),
    });
  }

  function hear(news: RemoteNews): void {
    if (news.kind !== 'asked') ranOn = news.ranOn;
    options.onRemote?.(news);
  }

  function watch(watched: Session): void {
    watched.ended.then((fault) => {
      // A session that was replaced is not restarted.
      if (closed || !fault || watched !== session) return;
      starting = restart(fault).finally(() => {
        starting = undefined;
      });
    });
  }

  async function restart(fault: QcError): Promise<void> {
    for (let error = fault; ; ) {
      failures++;
      if (failures > maxRestarts) {
        broken = new QcError('inference-stopped', `${error.message}, ${failures} times in a row`);
        onNotice(broken.line);
        return;
      }
      onNotice(`${error.message}; restarting it`);
      try {
        session = await startWithHeads();
        watch(session);
        return;
      } catch (cause) {
        error = cause instanceof QcError ? cause : new QcError('inference-stopped', String(cause), { cause });
        if (closed) return;
      }
    }
  }

  /** A new session with the heads of the previous one. If that fails, the new session is closed. */
  async function startWithHeads(): Promise<Session> {
    const precision = facts.provider === 'remote' ? undefined : facts.precision;
    const next = await start(listener, precision, base, besides.facts?.needBytes);
    try {
      requireSameFile(next.facts.manifest, facts.manifest);
      await next.useHead(loaded(head));
      await next.useShadow(loaded(shadow));
      for (const one of kept.values()) await next.keepHead(loaded(one));
      return next;
    } catch (error) {
      await next[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The running session; waits during a restart. */
  async function ready(): Promise<Session> {
    while (starting) {
      if (pending >= maxPending)
        throw new QcError('overloaded', `${pending} images are already waiting for the model to restart`);
      pending++;
      await starting;
      pending--;
    }
    if (broken) throw broken;
    return session;
  }

  let changed: Promise<unknown> = Promise.resolve();
  /** Heads are changed one at a time: a change relies on the base that it has found. */
  function inTurn<T extends string | undefined>(change: (version: T) => Promise<void>) {
    return (version: T): Promise<void> => {
      const done = changed.then(() => change(version));
      changed = done.catch(() => undefined);
      return done;
    };
  }

  const onSession = async <T>(work: (open: Session) => Promise<T>) => inFlight.run(await ready(), work);

  /** Opens the base of a version with all heads, then replaces base and head in one step. */
  async function swapPair(next: HeadVersion, on: string): Promise<void> {
    // Until it has replaced the base in use, both are open, and that of a shadow version.
    const held = (facts.needBytes ?? 0) + (besides.facts?.needBytes ?? 0);
    const own: Listener = { isInUse: false };
    const opened = await start(own, undefined, on, held);
    const fitting = new Map<string, HeadVersion>();
    const misfits = new Map<string, QcError>();
    try {
      requireFit(next, opened.facts);
      await opened.useHead(loaded(next));
      for (const version of [...kept.keys(), ...keptMisfits.keys()]) {
        const one = await store.read(version);
        const mismatch = misfitWith(one, opened.facts);
        if (mismatch) misfits.set(version, mismatch);
        else {
          await opened.keepHead(loaded(one));
          fitting.set(version, one);
        }
      }
      while (starting) await starting;
      if (closed) throw new QcError('inference-stopped', 'the model is closed');
    } catch (error) {
      await opened[Symbol.asyncDispose]();
      throw error;
    }
    // Parts that these heads have judged are decided by their rules.
    for (const one of [...kept.values(), shadow, head, next]) remember(one);
    const replaced = session;
    listener.isInUse = false;
    listener = own;
    own.isInUse = true;
    ranOn = undefined;
    if (own.last) hear(own.last);
    base = on;
    session = opened;
    facts = opened.facts;
    head = next;
    misfit = undefined;
    broken = undefined;
    kept.clear();
    for (const [version, one] of fitting) kept.set(version, one);
    keptMisfits.clear();
    for (const [version, mismatch] of misfits) keptMisfits.set(version, mismatch);
    // Its input was features of the old base.
    shadow = undefined;
    watch(opened);
    retiring = inFlight.retire(replaced).catch(() => undefined);
    await besides.use(undefined);
    for (const [version, { message, remedy }] of misfits)
      onNotice(`${message}; parts that ask for ${version} are uncertain — ${remedy}`);
  }

  /** The base of a version; undefined if it is the one in use. @throws QcError head-base-mismatch */
  async function otherBase({ manifest }: HeadVersion): Promise<string | undefined> {
    if (misfitOf(manifest, facts.manifest) === undefined) return undefined;
    const own = await baseForIn(config, storageDirectory)(manifest);
    return own?.name ?? config.base;
  }

  return {
    get manifest() {
      return facts.manifest;
    },
    get model() {
      return { ...describeModel(facts, head), ...ranOn };
    },
    get memory() {
      return [facts, besides.facts].flatMap((open) =>
        open ? [{ base: open.manifest.name, bytes: open.memoryBytes ?? 0 }] : [],
      );
    },
    get concurrency() {
      return session.concurrency;
    },
    get fault() {
      return starting ? 'the inference thread is restarting' : broken?.message;
    },
    get labels() {
      return head?.manifest.labels ?? [];
    },
    misfit: (version) => (version === undefined ? misfit : keptMisfits.get(version)),
    rulesOf(version) {
      if (version === 'none') return {};
      const used = [head, shadow, kept.get(version)].find((one) => one?.version === version);
      return used?.manifest ?? rules.get(version) ?? unknownRules;
    },
    async judge(image, by) {
      const shadowPair = by?.head === undefined ? besides.judge(image) : undefined;
      const judged = await onSession(async (open) => {
        const isMisfit = typeof by?.head === 'string' && keptMisfits.has(by.head);
        const { name } = open.facts.manifest;
        return { ...(await open.judge(image, isMisfit ? { ...by, head: null } : by)), base: name };
      });
      failures = 0;
      const said = await shadowPair;
      return said ? { ...judged, shadow: said } : judged;
    },
    async features(image) {
      return await onSession((open) => open.features(image));
    },
    swapHead: inTurn(async (version) => {
      const next = await store.read(version);
      const other = await otherBase(next);
      if (other !== undefined) return await swapPair(next, other);
      requireFit(next, facts);
      remember(next);
      remember(head);
      await (await ready()).useHead(loaded(next));
      head = next;
      misfit = undefined;
    }),
    useShadow: inTurn(async (version) => {
      const next = version === undefined ? undefined : await store.read(version);
      const other = next && (await otherBase(next));
      const shadowPair = next && other !== undefined ? { head: next, base: other } : undefined;
      const same = shadowPair ? undefined : next;
      if (same) requireFit(same, facts);
      remember(next);
      remember(head);
      await besides.use(shadowPair);
      await (await ready()).useShadow(loaded(same));
      shadow = same;
    }),
    keepHead: inTurn(async (version) => {
      // Read it again even if it is loaded: it must not be used if the disk has lost it since.
      const next = await store.read(version);
      try {
        requireFit(next, facts);
        keptMisfits.delete(version);
      } catch (error) {
        if (isMismatch(error)) keptMisfits.set(version, error);
        throw error;
      }
      if (kept.has(version)) return;
      await (await ready()).keepHead(loaded(next));
      kept.set(version, next);
    }),
    async [Symbol.asyncDispose]() {
      closed = true;
      await changed;
      await starting;
      await retiring;
      await besides.use(undefined);
      await session[Symbol.asyncDispose]();
    },
  };
}

/** Receives events of the inference server; those of a session that is not in use are only kept. */
interface Listener {
  isInUse: boolean;
  last?: RemoteNews | undefined;
}

/** Refuses a base whose file was replaced while it was in use: the heads were checked with the old one. */
function requireSameFile(opened: BaseManifest, known: BaseManifest): void {
  const origin = ({ variantOf, sha256 }: BaseManifest) => variantOf ?? sha256;
  if (origin(opened) === origin(known)) return;
  throw new QcError('model-mismatch', `the base ${known.name} was replaced while it was in use`, {
    remedy: 'restart the agent',
  });
}

function misfitWith(head: HeadVersion, facts: SessionFacts): QcError | undefined {
  try {
    requireFit(head, facts);
    return undefined;
  } catch (error) {
    if (isMismatch(error)) return error;
    throw error;
  }
}

function describeModel({ manifest, ...facts }: SessionFacts, head?: HeadVersion): ModelInfo {
  return { version: head?.version ?? 'none', base: manifest.name, ...facts };
}
