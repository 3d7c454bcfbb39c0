/** Base, head and worker threads as one component: judges images, swaps heads without losing a request, restarts failed threads. */
import { QcError } from '../config/errors.ts';
import type { ModelConfig } from '../config/schema.ts';
import { activeHead, isMismatch, loaded, requireFit } from './active-head.ts';
import { replacementOf } from './base.ts';
import { misfitOf } from './head.ts';
import type { Image } from './image.ts';
import type { BaseManifest } from './manifest.ts';
import type { RemoteNews, SessionFacts } from './run/messages.ts';
import type { RanOn } from './run/providers.ts';
import { type Judgement, type JudgeOptions, openSession, type Session } from './run/session.ts';
import { openBesides } from './shadow-session.ts';
import { superviseSession } from './supervised-session.ts';
import { createUsedHeads, type HeadRules } from './used-heads.ts';
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
  rulesOf(version: string): HeadRules;
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
  /** Replaced together with the session. */
  let base = await baseToStartOn(config, storageDirectory);
  let listener: Listener = { isInUse: true };
  const first = await start(listener);
  const { head, misfit } = await closedUnless(first, async () => {
    const active = await activeHead(store, first.facts, onNotice);
    await first.useHead(loaded(active.head));
    return active;
  });
  const heads = createUsedHeads(head, misfit);
  noticeStart(first.facts, head, misfit, options);
  const besides = openBesides((on) => start({ isInUse: false }, undefined, on, running.facts.needBytes));
  const running = superviseSession(first, { restart: startWithHeads, onNotice });

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

  /** A new session with the heads of the previous one. If that fails, the new session is closed. */
  async function startWithHeads({ facts }: Session): Promise<Session> {
    const precision = facts.provider === 'remote' ? undefined : facts.precision;
    const next = await start(listener, precision, base, besides.facts?.needBytes);
    return await closedUnless(next, async () => {
      requireSameFile(next.facts.manifest, facts.manifest);
      await heads.loadInto(next);
      return next;
    });
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

  /** Opens the base of a version with all heads, then replaces base and head in one step. */
  async function swapPair(next: HeadVersion, on: string): Promise<void> {
    // Until it has replaced the base in use, both are open, and that of a shadow version.
    const held = (running.facts.needBytes ?? 0) + (besides.facts?.needBytes ?? 0);
    const own: Listener = { isInUse: false };
    const session = await start(own, undefined, on, held);
    const opened = await closedUnless(session, async () => {
      const fitting = await heads.open(session, next, store.read);
      await running.settled();
      return fitting;
    });
    // From here on nothing waits: no request meets the new base with the old heads.
    listener.isInUse = false;
    listener = own;
    own.isInUse = true;
    ranOn = undefined;
    if (own.last) hear(own.last);
    base = on;
    heads.replace(opened);
    running.replace(session);
    await besides.use(undefined);
    for (const [version, { message, remedy }] of opened.misfits)
      onNotice(`${message}; parts that ask for ${version} are uncertain — ${remedy}`);
  }

  /** The base of a version; undefined if it is the one in use. @throws QcError head-base-mismatch */
  async function otherBase({ manifest }: HeadVersion): Promise<string | undefined> {
    if (misfitOf(manifest, running.facts.manifest) === undefined) return undefined;
    const own = await baseForIn(config, storageDirectory)(manifest);
    return own?.name ?? config.base;
  }

  return {
    get manifest() {
      return running.facts.manifest;
    },
    get model() {
      return { ...describeModel(running.facts, heads.active), ...ranOn };
    },
    get memory() {
      return [running.facts, besides.facts].flatMap((open) =>
        open ? [{ base: open.manifest.name, bytes: open.memoryBytes ?? 0 }] : [],
      );
    },
    get concurrency() {
      return running.concurrency;
    },
    get fault() {
      return running.fault;
    },
    get labels() {
      return heads.active?.manifest.labels ?? [];
    },
    misfit: heads.misfit,
    rulesOf: heads.rulesOf,
    async judge(image, by) {
      const shadowPair = by?.head === undefined ? besides.judge(image) : undefined;
      const judged = await running.run(async (session) => {
        const isMisfit = typeof by?.head === 'string' && heads.misfit(by.head) !== undefined;
        const { name } = session.facts.manifest;
        return { ...(await session.judge(image, isMisfit ? { ...by, head: null } : by)), base: name };
      });
      running.worked();
      const said = await shadowPair;
      return said ? { ...judged, shadow: said } : judged;
    },
    features: (image) => running.run((session) => session.features(image)),
    swapHead: inTurn(async (version) => {
      const next = await store.read(version);
      const other = await otherBase(next);
      if (other !== undefined) return await swapPair(next, other);
      requireFit(next, running.facts);
      heads.expect(next);
      await (await running.ready()).useHead(loaded(next));
      heads.activate(next);
    }),
    useShadow: inTurn(async (version) => {
      const next = version === undefined ? undefined : await store.read(version);
      const other = next && (await otherBase(next));
      const shadowPair = next && other !== undefined ? { head: next, base: other } : undefined;
      const same = shadowPair ? undefined : next;
      if (same) requireFit(same, running.facts);
      heads.expect(next);
      await besides.use(shadowPair);
      await (await running.ready()).useShadow(loaded(same));
      heads.shadow(same);
    }),
    keepHead: inTurn(async (version) => {
      // Read it again even if it is loaded: it must not be used if the disk has lost it since.
      const next = await store.read(version);
      try {
        requireFit(next, running.facts);
        heads.accept(version);
      } catch (error) {
        if (isMismatch(error)) heads.refuse(version, error);
        throw error;
      }
      if (heads.isKept(version)) return;
      await (await running.ready()).keepHead(loaded(next));
      heads.keep(next);
    }),
    async [Symbol.asyncDispose]() {
      running.stop();
      await changed;
      await besides.use(undefined);
      await running[Symbol.asyncDispose]();
    },
  };
}

/** Receives events of the inference server; those of a session that is not in use are only kept. */
interface Listener {
  isInUse: boolean;
  last?: RemoteNews | undefined;
}

/** Closes a session if the work on it fails. */
async function closedUnless<T>(session: Session, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    await session[Symbol.asyncDispose]();
    throw error;
  }
}

function noticeStart(
  facts: SessionFacts,
  head: HeadVersion | undefined,
  misfit: QcError | undefined,
  { model: config, onNotice }: InspectorOptions,
): void {
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
}

/** Refuses a base whose file was replaced while it was in use: the heads were checked with the old one. */
function requireSameFile(opened: BaseManifest, known: BaseManifest): void {
  const origin = ({ variantOf, sha256 }: BaseManifest) => variantOf ?? sha256;
  if (origin(opened) === origin(known)) return;
  throw new QcError('model-mismatch', `the base ${known.name} was replaced while it was in use`, {
    remedy: 'restart the agent',
  });
}

function describeModel({ manifest, ...facts }: SessionFacts, head?: HeadVersion): ModelInfo {
  return { version: head?.version ?? 'none', base: manifest.name, ...facts };
}
