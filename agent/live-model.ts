/** The model that judges now: its rules and metrics, and changes of its head while the line runs. */

import type { Config } from '../config/schema.ts';
import type { Image } from '../models/image.ts';
import { type Inspector, type JudgementOnBase, openInspector } from '../models/inspector.ts';
import { type Decision, decide, isUnfamiliar, type Rules } from '../models/verdict.ts';
import { baseForIn } from '../models/versions/pair.ts';
import { openStore, type Store } from '../models/versions/store.ts';
import { locate, type Place } from '../models/where.ts';
import type { Log } from './lifecycle/log.ts';
import type { Metrics } from './metrics/metrics.ts';
import type { Result } from './publish/messages.ts';
import type { RecipeInForce } from './recipes/in-force.ts';

export interface LiveModel extends AsyncDisposable {
  /** Includes the version for the active recipe. */
  readonly info: Result['model'];
  /** Number of concurrent images that keep it busy. */
  readonly concurrency: number;
  /** Why it cannot judge at the moment; undefined if it can. */
  readonly fault: string | undefined;
  /** Why it cannot tell good from bad although it runs (no head yet, no good label); empty if it can. */
  readonly notice: string;
  /** Set if the active head was trained on another base and does not judge: names both bases. */
  readonly misfit: string | undefined;
  /** Rules of a head for a recipe. */
  rules(version: string, recipe: string): Rules;
  /** Judges with the head of a recipe. @param camera source of the image: cameras take turns */
  judge(image: Image, recipe: string, camera: string): Promise<JudgementOnBase>;
  /** Judges one image as a part of one frame, by the active recipe. */
  classify(image: Image): Promise<Classification>;
  /** Makes a version active; an unsuitable one is refused and the old one stays active. */
  promote(version: string): Promise<void>;
  /** Sets the shadow version, whose judgements are not published, or none. @throws QcError version-unknown, head-damaged */
  shadow(version: string | undefined): Promise<void>;
  /** Back to the version that was active before. */
  rollback(): Promise<void>;
  /** Loads the head of a recipe. @throws QcError version-unknown, head-damaged, head-base-mismatch */
  keepHead(version: string): Promise<void>;
  /** To be called when the active recipe has changed. */
  recipeChanged(): void;
}

/** The model's output for one image that is not a part of the line. */
export interface Classification {
  readonly decision: Decision;
  /** In fractions of the image. */
  readonly places: readonly Place[];
  readonly model: Result['model'];
  /** ms */
  readonly queueMs: number;
  readonly inferenceMs: number;
}

export interface LiveModelDeps {
  readonly log: Log;
  readonly metrics: Metrics;
  readonly recipes: Pick<RecipeInForce, 'book' | 'active'>;
  /** Called when the active head or the notice of the model changes. */
  readonly onChange: () => void;
  /** Called with the reason why the inference server does not judge, and with an empty text when it does again. */
  readonly onServer: (text: string) => void;
}

/** @throws QcError as `openInspector` */
export async function openLiveModel(
  config: Pick<Config, 'model' | 'storage' | 'thresholds' | 'labels'>,
  deps: LiveModelDeps,
): Promise<LiveModel> {
  const { metrics, recipes, onChange } = deps;
  const { book } = recipes;
  const log = deps.log.child({ component: 'model' });
  let shown: (() => void) | undefined;
  if (config.model.provider === 'remote') metrics.expectServer();
  const inspector = await openInspector({
    model: config.model,
    storageDirectory: config.storage.directory,
    onNotice(text) {
      log.warn(text);
      onChange();
    },
    onRemote(news) {
      if (news.kind === 'asked') return metrics.serverAsked(news.outcome, news.seconds);
      metrics.serverUp.set(news.kind === 'up' ? 1 : 0);
      if (news.kind === 'up') {
        log.info(`the inference server judges the parts: ${news.description}`);
        deps.onServer('');
      } else {
        const { provider, precision } = news.ranOn;
        const text = `the inference server ${news.reason}: parts are judged on this machine (${provider}, ${precision})`;
        log.warn(`${text} — ${news.remedy}`);
        deps.onServer(text);
      }
      shown?.();
    },
  });
  const { base, precision, because, provider, batch, why, memoryBytes = 0 } = inspector.model;
  metrics.modelMemory(inspector.memory);
  log.info(
    { base, precision, because, provider, batch, memoryBytes, version: inspector.model.version },
    'the model is ready',
  );
  for (const reason of why) log.info(`not used: ${reason}`);
  const info = () => infoOf(inspector, book.head(recipes.active));
  shown = () => metrics.modelInfo(info());
  shown();

  const baseFor = baseForIn(config.model, config.storage.directory);
  let last: Promise<unknown> = Promise.resolve();
  /** One change at a time: disk and memory must change in the same order. */
  function change(choose: (store: Store) => Promise<string>): Promise<void> {
    const changed = last.then(() => changeNow(choose));
    last = changed.catch(() => undefined);
    return changed;
  }

  async function changeNow(choose: (store: Store) => Promise<string>): Promise<void> {
    const store = await openStore(config.storage.directory);
    const before = await store.record();
    const version = await choose(store);
    try {
      await inspector.swapHead(version);
    } catch (error) {
      // The active version on disk must be the one that judges: otherwise the next start would be refused.
      await store
        .restore(before)
        .catch((cause: Error) =>
          log.error(`the record of the active version cannot be put back: ${cause.message}`),
        );
      throw error;
    }
    metrics.modelInfo(info());
    metrics.modelMemory(inspector.memory);
    log.info({ version }, 'the active model version has changed');
    onChange();
  }

  const model: LiveModel = {
    get info() {
      return info();
    },
    concurrency: inspector.concurrency,
    get fault() {
      return inspector.fault;
    },
    get notice() {
      const head = book.head(recipes.active);
      const misfit = inspector.misfit(head);
      if (misfit)
        return `${misfit.message}: every part is uncertain until a version is trained for this base`;
      const labels = head === undefined ? inspector.labels : (inspector.rulesOf(head).labels ?? []);
      if (labels.length === 0) return 'no model has been trained yet: every part is uncertain';
      if (labels.some((label) => config.labels.good.includes(label))) return '';
      return `no label of the model version is good (labels.good: ${config.labels.good.join(', ')}): no part can pass`;
    },
    get misfit() {
      return inspector.misfit()?.message;
    },
    rules(version, recipe) {
      const { thresholds: own = config.thresholds, familiar, scoreLimit, where } = inspector.rulesOf(version);
      return {
        thresholds: book.thresholds(recipe, own),
        familiar,
        scoreLimit,
        where,
        good: config.labels.good,
      };
    },
    async judge(image, recipe, camera) {
      const judged = await inspector.judge(image, { head: book.head(recipe), lane: camera });
      metrics.inferenceSeconds.observe({ provider: judged.ranOn.provider }, judged.inferenceMs / 1000);
      metrics.inferenceBatchSize.observe(judged.batch);
      return judged;
    },
    async classify(image) {
      const recipe = recipes.active;
      const judged = await model.judge(image, recipe, 'classify');
      const { probabilities, familiarity, version, base, inferenceMs, queueMs, ranOn, where } = judged;
      const rules = model.rules(version, recipe);
      const decision = decide([probabilities], rules, [familiarity]);
      const { places, words } = locate(where, decision, rules, isUnfamiliar([familiarity], rules));
      const reasons = [...decision.reasons, ...(words === undefined ? [] : [words])];
      const info = { ...model.info, version, base, ...ranOn };
      return { decision: { ...decision, reasons }, places, model: info, inferenceMs, queueMs };
    },
    promote: (version) =>
      change(async (store) => {
        await store.promote(version, baseFor);
        return version;
      }),
    async shadow(version) {
      await inspector.useShadow(version);
      metrics.modelMemory(inspector.memory);
    },
    rollback: () => change((store) => store.rollback(baseFor)),
    keepHead: (version) => inspector.keepHead(version),
    recipeChanged: () => metrics.modelInfo(info()),
    [Symbol.asyncDispose]: () => inspector[Symbol.asyncDispose](),
  };
  return model;
}

function infoOf(inspector: Inspector, head: string | undefined): Result['model'] {
  const { version, base, precision, provider } = inspector.model;
  const isMisfit = inspector.misfit(head) !== undefined;
  return { version: isMisfit ? 'none' : (head ?? version), base, precision, provider };
}
