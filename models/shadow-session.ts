/**
 * A shadow version of another base than the one in use. It has a session of its own, so while it is set, memory holds two bases and
 * each image is judged twice. The line comes first: the shadow judges one image at a time, images that come meanwhile are not
 * compared, and a verdict waits for it at most `maxWaitMs`.
 */
import { requireHeadGraph, requireSameBase } from './head.ts';
import type { Image } from './image.ts';
import type { HeadAnswer, SessionFacts } from './run/messages.ts';
import type { Session } from './run/session.ts';
import type { HeadVersion } from './versions/store.ts';

export interface ShadowPair {
  readonly head: HeadVersion;
  readonly base: string;
}

export interface ShadowSession {
  /** Of its session; undefined if there is none. */
  readonly facts: SessionFacts | undefined;
  /** Replaces the pair; undefined removes it. @throws as `openSession`, QcError head-damaged, head-base-mismatch */
  use(pair: ShadowPair | undefined): Promise<void>;
  /** The answer of the shadow; undefined if there is none, or it is busy, late or has failed. */
  judge(image: Image): Promise<HeadAnswer | undefined> | undefined;
}

const maxWaitMs = 200;

/** @param open a session of a base */
export function openBesides(open: (base: string) => Promise<Session>): ShadowSession {
  let session: Session | undefined;
  let isBusy = false;

  return {
    get facts() {
      return session?.facts;
    },
    async use(pair) {
      const before = session;
      session = undefined;
      await before?.[Symbol.asyncDispose]();
      if (!pair) return;
      const { head, base } = pair;
      const opened = await open(base);
      try {
        requireSameBase(head.manifest, opened.facts.manifest);
        const { manifest, maps } = opened.facts;
        requireHeadGraph(head.model, head.manifest, { size: manifest.features.size, maps });
        await opened.useHead({ version: head.version, labels: head.manifest.labels, model: head.model });
      } catch (error) {
        await opened[Symbol.asyncDispose]();
        throw error;
      }
      session = opened;
    },
    judge(image) {
      if (!session || isBusy) return undefined;
      isBusy = true;
      const answered = session.judge(image).then(
        ({ version, probabilities, familiarity }): HeadAnswer => ({
          version,
          probabilities,
          ...(familiarity !== undefined && { familiarity }),
        }),
        () => undefined,
      );
      void answered.finally(() => {
        isBusy = false;
      });
      return Promise.race([answered, late()]);
    },
  };
}

function late(): Promise<undefined> {
  return new Promise((resolve) => {
    setTimeout(() => resolve(undefined), maxWaitMs).unref();
  });
}
