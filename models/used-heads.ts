/** The heads that a session judges with: the active one, those of recipes, a shadow version, and the rules of earlier ones. */
import type { QcError } from '../config/errors.ts';
import { isMismatch, loaded, requireFit } from './active-head.ts';
import type { HeadManifest } from './manifest.ts';
import type { SessionFacts } from './run/messages.ts';
import type { Session } from './run/session.ts';
import type { HeadVersion } from './versions/store.ts';

/** How probabilities of a head become a verdict. */
export type HeadRules = Partial<
  Pick<HeadManifest, 'thresholds' | 'familiar' | 'scoreLimit' | 'where' | 'labels'>
>;

/** Number of heads that no longer judge and whose rules are kept, for parts that they have judged already. */
const maxRules = 64;
/** Rules for a head that is not known: no part is familiar, so no part passes. */
const unknownRules: HeadRules = { familiar: Number.POSITIVE_INFINITY };

/** Heads of another base that are opened in its session, before they replace those in use. */
export interface OpenedHeads {
  readonly active: HeadVersion;
  readonly kept: ReadonlyMap<string, HeadVersion>;
  readonly misfits: ReadonlyMap<string, QcError>;
}

export interface UsedHeads {
  readonly active: HeadVersion | undefined;
  /** Why the active version of the store is not used, or a version that a recipe asked for. */
  misfit(version?: string): QcError | undefined;
  rulesOf(version: string): HeadRules;
  isKept(version: string): boolean;
  /** Keeps the rules of a version that is about to judge, and of the active one, whose last parts are still to be decided. */
  expect(next: HeadVersion | undefined): void;
  activate(next: HeadVersion): void;
  /** @param next a version that judges in the session of the active head; undefined removes it */
  shadow(next: HeadVersion | undefined): void;
  keep(next: HeadVersion): void;
  /** A recipe asks for a version of another base. */
  refuse(version: string, mismatch: QcError): void;
  /** A version that was refused fits now. */
  accept(version: string): void;
  /** Loads all of them into a new session of the same base. */
  loadInto(session: Session): Promise<void>;
  /** Loads a version and the heads of recipes that fit into the session of another base. @throws as `requireFit` */
  open(session: Session, active: HeadVersion, read: ReadHead): Promise<OpenedHeads>;
  /** Uses heads that `open` has loaded. The shadow version is removed: its input was features of the old base. */
  replace(opened: OpenedHeads): void;
}

type ReadHead = (version: string) => Promise<HeadVersion>;

export function createUsedHeads(first: HeadVersion | undefined, firstMisfit: QcError | undefined): UsedHeads {
  let active = first;
  let misfit = firstMisfit;
  /** Judges in the session of the active head. */
  let shadow: HeadVersion | undefined;
  let kept: ReadonlyMap<string, HeadVersion> = new Map();
  let keptMisfits: ReadonlyMap<string, QcError> = new Map();
  /** Newest last. */
  const rules = new Map<string, HeadManifest>();

  const remember = (...used: readonly (HeadVersion | undefined)[]) => {
    for (const one of used) {
      if (!one) continue;
      rules.delete(one.version);
      rules.set(one.version, one.manifest);
    }
    for (const old of rules.keys()) if (rules.size > maxRules) rules.delete(old);
  };
  remember(first);

  return {
    get active() {
      return active;
    },
    misfit: (version) => (version === undefined ? misfit : keptMisfits.get(version)),
    rulesOf(version) {
      if (version === 'none') return {};
      const used = [active, shadow, kept.get(version)].find((one) => one?.version === version);
      return used?.manifest ?? rules.get(version) ?? unknownRules;
    },
    isKept: (version) => kept.has(version),
    expect: (next) => remember(next, active),
    activate(next) {
      active = next;
      misfit = undefined;
    },
    shadow(next) {
      shadow = next;
    },
    keep(next) {
      kept = new Map([...kept, [next.version, next]]);
    },
    refuse(version, mismatch) {
      keptMisfits = new Map([...keptMisfits, [version, mismatch]]);
    },
    accept(version) {
      keptMisfits = new Map([...keptMisfits].filter(([refused]) => refused !== version));
    },
    async loadInto(session) {
      await session.useHead(loaded(active));
      await session.useShadow(loaded(shadow));
      for (const one of kept.values()) await session.keepHead(loaded(one));
    },
    async open(session, next, read) {
      requireFit(next, session.facts);
      await session.useHead(loaded(next));
      const fitting = new Map<string, HeadVersion>();
      const misfits = new Map<string, QcError>();
      for (const version of [...kept.keys(), ...keptMisfits.keys()]) {
        const one = await read(version);
        const mismatch = misfitWith(one, session.facts);
        if (mismatch) misfits.set(version, mismatch);
        else {
          await session.keepHead(loaded(one));
          fitting.set(version, one);
        }
      }
      return { active: next, kept: fitting, misfits };
    },
    replace(opened) {
      // Parts that these heads have judged are decided by their rules.
      remember(...kept.values(), shadow, active, opened.active);
      ({ active, kept, misfits: keptMisfits } = opened);
      misfit = undefined;
      shadow = undefined;
    },
  };
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
