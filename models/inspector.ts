/** Base, head and thread together: judges pictures, swaps heads without missing one, survives its thread. */
import { QcError } from '../config/errors.ts';
import type { ModelConfig } from '../config/schema.ts';
import { replacementOf } from './base.ts';
import { type HeadInputs, requireHeadGraph, requireSameBase } from './head.ts';
import type { Image } from './image.ts';
import type { BaseManifest, HeadManifest } from './manifest.ts';
import type { LoadedHead, RemoteNews, SessionFacts } from './run/messages.ts';
import type { RanOn } from './run/providers.ts';
import { type Judgement, type JudgeOptions, openSession, type Session } from './run/session.ts';
import { type HeadVersion, openStore, type Store } from './versions/store.ts';

export interface InspectorOptions {
  readonly model: ModelConfig;
  readonly storageDirectory: string;
  /** Told what the operator should know: a head that was set aside, a thread that was started again. */
  readonly onNotice: (text: string) => void;
  /** Told what happens at the inference server; the first time before the inspector is open. */
  readonly onRemote?: (news: RemoteNews) => void;
  /** Another worker script that behaves like session-worker.ts (tests let one die). */
  readonly worker?: URL;
}

export interface ModelInfo {
  /** `none` while there is no head. */
  readonly version: string;
  readonly base: string;
  readonly precision: string;
  /** Why this variant of the base. */
  readonly because: string;
  /** What runs the base now. */
  readonly provider: string;
  /** Most pictures in one run. */
  readonly batch: number;
  /** Why the providers that were asked first do not run. */
  readonly why: readonly string[];
}

export interface Inspector extends AsyncDisposable {
  readonly model: ModelInfo;
  /** Pictures at a time that keep it busy. */
  readonly busyWith: number;
  /** Why nothing can be judged at the moment; undefined while it can. */
  readonly fault: string | undefined;
  readonly manifest: BaseManifest;
  /**
   * Why a head does not judge that was trained on another base: the active one, or one that `keepHead` refused for it. Parts are
   * judged without a head then, and so are uncertain. Undefined where there is no such head.
   */
  misfit(version?: string): QcError | undefined;
  /** Labels of the head; empty while there is none. */
  readonly labels: readonly string[];
  /** Thresholds that a head brings which judges or has judged; undefined where those of the config hold. */
  rulesOf(version: string): Partial<Pick<HeadManifest, 'thresholds' | 'familiar' | 'labels'>>;
  /**
   * Rejects with `overloaded` where too many wait, and with `inference-stopped` where the thread died over it.
   */
  judge(image: Image, by?: JudgeOptions): Promise<Judgement>;
  /** Pooled features of the base, [size]; for training and drift. */
  features(image: Image): Promise<Float32Array>;
  /**
   * Judges with another version of the store once it resolves: what was asked before is judged by the old one.
   * A damaged or unfitting version is refused and the old one stays.
   */
  swapHead(version: string): Promise<void>;
  /** A version that judges the same pictures beside the head, or none. @throws as `swapHead` */
  useShadow(version: string | undefined): Promise<void>;
  /** Loads a version that judges only what names it (the head of a recipe). @throws as `swapHead` */
  keepHead(version: string): Promise<void>;
}

/** Deaths of the thread in a row, without a judgement in between, after which it is not started again. */
const mostDeaths = 3;
/** Heads whose rules are kept: active and shadow, and those before them. */
const mostRules = 4;
/** Requests kept while the thread is started again. */
const mostHeld = 64;

/**
 * Opens base, provider and the active head. A store without a head is legal, and so is an active head of another base, which
 * does not judge (`misfit`); a damaged active head gives way to the last whole one that was live before. Throws what
 * `openSession` throws, or `head-damaged`.
 */
export async function openInspector(options: InspectorOptions): Promise<Inspector> {
  const { model: config, storageDirectory, onNotice } = options;
  const store = await openStore(storageDirectory);
  /** What runs the base now, where that changes. */
  let ranOn: RanOn | undefined;
  let session = await start();
  const { facts } = session;
  let head: HeadVersion | undefined;
  let shadow: HeadVersion | undefined;
  const kept = new Map<string, HeadVersion>();
  let misfit: QcError | undefined;
  const keptMisfits = new Map<string, QcError>();
  /** The newest last: what was asked before a swap is still to be judged by the rules of its own head. */
  const rules = new Map<string, HeadManifest>();
  const remember = (used: HeadVersion | undefined) => {
    if (!used) return;
    rules.delete(used.version);
    rules.set(used.version, used.manifest);
    for (const old of rules.keys()) if (rules.size > mostRules) rules.delete(old);
  };
  try {
    ({ head, misfit } = await activeHead(store, facts, onNotice));
    if (misfit) onNotice(`${misfit.message}; every part is uncertain — ${misfit.remedy}`);
    const replacement = replacementOf(config.base);
    if (replacement !== undefined && facts.manifest.name === replacement) {
      onNotice(
        `model.base: ${config.base} is no longer part of qc-edge-agent, ${replacement} is used instead — set model.base to ${replacement}`,
      );
    }
    for (const [what, manifest] of [
      [`base ${facts.manifest.name}`, facts.manifest],
      [`head ${head?.version}`, head?.manifest],
    ] as const) {
      if (manifest?.schema !== 1) continue;
      onNotice(
        `the manifest of ${what} has no checksum, so that damage to it is not noticed; add one with: qc-agent models seal`,
      );
    }
    remember(head);
    await session.useHead(loaded(head));
  } catch (error) {
    await session[Symbol.asyncDispose]();
    throw error;
  }

  let closed = false;
  let deaths = 0;
  let broken: QcError | undefined;
  /** Set while a new thread is being started. */
  let starting: Promise<void> | undefined;
  let held = 0;
  watch(session);

  /** A thread that is started again runs the variant that ran before: what is told of the model stays true. A server tells anew. */
  function start(precision: ModelConfig['precision'] = config.precision): Promise<Session> {
    return openSession({
      base: config.base,
      precision,
      storageDirectory,
      provider: config.provider,
      threads: config.threads,
      batch: config.batch,
      gpu: config.gpu,
      profile: config.profile,
      remote: config.remote,
      onRemote(news) {
        if (news.kind !== 'asked') ranOn = news.ranOn;
        options.onRemote?.(news);
      },
      ...(options.worker && { worker: options.worker }),
    });
  }

  function watch(watched: Session): void {
    watched.ended.then((fault) => {
      if (closed || !fault) return;
      starting = restart(fault).finally(() => {
        starting = undefined;
      });
    });
  }

  async function restart(fault: QcError): Promise<void> {
    for (let error = fault; ; ) {
      deaths++;
      if (deaths > mostDeaths) {
        broken = new QcError('inference-stopped', `${error.message}, ${deaths} times in a row`);
        onNotice(broken.line);
        return;
      }
      onNotice(`${error.message}; starting it again`);
      try {
        session = await startAgain();
        watch(session);
        return;
      } catch (cause) {
        error = cause instanceof QcError ? cause : new QcError('inference-stopped', String(cause), { cause });
        if (closed) return;
      }
    }
  }

  /** A new session with the heads of the one before. What fails closes it again. */
  async function startAgain(): Promise<Session> {
    const next = await start(facts.provider === 'remote' ? undefined : facts.precision);
    try {
      await next.useHead(loaded(head));
      await next.useShadow(loaded(shadow));
      for (const one of kept.values()) await next.keepHead(loaded(one));
      return next;
    } catch (error) {
      await next[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The thread that runs, waited for while it is started again. */
  async function ready(): Promise<Session> {
    while (starting) {
      if (held >= mostHeld)
        throw new QcError('overloaded', `${held} pictures wait for the model to start again`);
      held++;
      await starting;
      held--;
    }
    if (broken) throw broken;
    return session;
  }

  return {
    manifest: facts.manifest,
    get model() {
      return { ...describeModel(facts, head), ...ranOn };
    },
    get busyWith() {
      return session.busyWith;
    },
    get fault() {
      return starting ? 'the inference thread is starting again' : broken?.message;
    },
    get labels() {
      return head?.manifest.labels ?? [];
    },
    misfit: (version) => (version === undefined ? misfit : keptMisfits.get(version)),
    rulesOf: (version) => rules.get(version) ?? kept.get(version)?.manifest ?? {},
    async judge(image, by) {
      const isMisfit = typeof by?.head === 'string' && keptMisfits.has(by.head);
      const judged = await (await ready()).judge(image, isMisfit ? { ...by, head: null } : by);
      deaths = 0;
      return judged;
    },
    async features(image) {
      return (await ready()).features(image);
    },
    async swapHead(version) {
      const next = await store.read(version);
      requireFit(next, facts);
      remember(next);
      await (await ready()).useHead(loaded(next));
      head = next;
      misfit = undefined;
    },
    async useShadow(version) {
      const next = version === undefined ? undefined : await store.read(version);
      if (next) requireFit(next, facts);
      remember(next);
      remember(head);
      await (await ready()).useShadow(loaded(next));
      shadow = next;
    },
    async keepHead(version) {
      // Read even where it is kept already: the disk may have lost it since, and then nobody should rely on it.
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
    },
    async [Symbol.asyncDispose]() {
      closed = true;
      await starting;
      await session[Symbol.asyncDispose]();
    },
  };
}

function loaded(head: HeadVersion): LoadedHead;
function loaded(head: HeadVersion | undefined): LoadedHead | undefined;
function loaded(head: HeadVersion | undefined): LoadedHead | undefined {
  return head && { version: head.version, labels: head.manifest.labels, model: head.model };
}

function requireFit({ manifest, model }: HeadVersion, { manifest: base, maps }: SessionFacts): void {
  requireSameBase(manifest, base);
  const given: HeadInputs = { size: base.features.size, maps };
  requireHeadGraph(model, manifest, given);
}

const isMismatch = (error: unknown): error is QcError =>
  error instanceof QcError && error.code === 'head-base-mismatch';

/** The active head, or the last whole one before it where it is damaged; none where there never was one, or it is a misfit. */
async function activeHead(
  store: Store,
  facts: SessionFacts,
  onNotice: (text: string) => void,
): Promise<{ readonly head?: HeadVersion; readonly misfit?: QcError }> {
  const active = await store.active();
  if (active === undefined) return {};
  let first: unknown;
  for (const version of [active, ...(await store.history())]) {
    try {
      const head = await store.read(version);
      requireFit(head, facts);
      if (first) onNotice(`${(first as Error).message}; judging with version ${version} instead`);
      return { head };
    } catch (error) {
      // Only damage gives way to an older version; another base is a decision of the operator.
      if (isMismatch(error) && !first) return { misfit: error };
      first ??= error;
      if (!(error instanceof QcError) || isMismatch(error)) throw first;
    }
  }
  throw first;
}

function describeModel({ manifest, ...facts }: SessionFacts, head?: HeadVersion): ModelInfo {
  return { version: head?.version ?? 'none', base: manifest.name, ...facts };
}
