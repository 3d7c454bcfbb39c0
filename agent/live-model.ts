/** The model that judges now: its rules, its place in the metrics, and changing its head while the line runs. */
import type { Config } from '../config/schema.ts';
import type { Image } from '../models/image.ts';
import { type Inspector, openInspector } from '../models/inspector.ts';
import { openStore, type Store } from '../models/store.ts';
import { decide, type Rules } from '../models/verdict.ts';
import type { Classification } from './http/deps.ts';
import type { Judgement } from './inspect.ts';
import type { Log } from './lifecycle/log.ts';
import type { Metrics } from './metrics/metrics.ts';
import type { Result } from './publish/messages.ts';

export interface LiveModel extends AsyncDisposable {
  readonly info: Result['model'];
  /** Why nothing can be judged at the moment; undefined while it can. */
  readonly fault: string | undefined;
  /** Why it cannot tell good from bad although it runs: no head yet, no good label; empty where it can. */
  readonly notice: string;
  /** Of the head that judged. */
  rules(version: string): Rules;
  judge(image: Image): Promise<Judgement>;
  /** Judges one picture by itself, as a part of one frame. */
  classify(image: Image): Promise<Classification>;
  /** Makes a version active; one that does not fit is refused and the old one stays. */
  promote(version: string): Promise<void>;
  /** A version that judges beside the active one, unpublished, or none. @throws QcError version-unknown, head-damaged */
  shadow(version: string | undefined): Promise<void>;
  /** Back to the version that was active before. */
  rollback(): Promise<void>;
}

export interface LiveModelDeps {
  readonly log: Log;
  readonly metrics: Metrics;
  /** Told when another head judges, or the model has a notice. */
  readonly onChange: () => void;
}

/** @throws QcError what `openInspector` throws */
export async function openLiveModel(
  config: Pick<Config, 'model' | 'storage' | 'thresholds' | 'labels'>,
  deps: LiveModelDeps,
): Promise<LiveModel> {
  const { metrics, onChange } = deps;
  const log = deps.log.child({ component: 'model' });
  const inspector = await openInspector({
    model: config.model,
    storageDirectory: config.storage.directory,
    onNotice(text) {
      log.warn(text);
      onChange();
    },
  });
  const { base, precision, provider, why } = inspector.model;
  log.info({ base, precision, provider, version: inspector.model.version }, 'the model is ready');
  for (const reason of why) log.info(`not used: ${reason}`);
  metrics.modelInfo(infoOf(inspector));

  async function change(choose: (store: Store) => Promise<string>): Promise<void> {
    const store = await openStore(config.storage.directory);
    const before = await store.active();
    const version = await choose(store);
    try {
      await inspector.swapHead(version);
    } catch (error) {
      // What is active on disk and what judges must not part: the next start would refuse.
      if (before !== undefined) await store.promote(before);
      throw error;
    }
    metrics.modelInfo(infoOf(inspector));
    log.info({ version }, 'another head judges from now on');
    onChange();
  }

  const model: LiveModel = {
    get info() {
      return infoOf(inspector);
    },
    get fault() {
      return inspector.fault;
    },
    get notice() {
      const { labels } = inspector;
      if (labels.length === 0) return 'no head has been trained yet: every part is uncertain';
      if (labels.some((label) => config.labels.good.includes(label))) return '';
      return `no label of the head is good (labels.good: ${config.labels.good.join(', ')}): no part can pass`;
    },
    rules(version) {
      const { thresholds = config.thresholds, familiar } = inspector.rulesOf(version);
      return { thresholds, familiar, good: config.labels.good };
    },
    async judge(image) {
      const judged = await inspector.judge(image);
      metrics.inferenceSeconds.observe({ provider }, judged.inferenceMs / 1000);
      metrics.inferenceBatchSize.observe(1);
      return judged;
    },
    async classify(image) {
      const { probabilities, familiarity, version, inferenceMs, queueMs } = await model.judge(image);
      const decision = decide([probabilities], model.rules(version), [familiarity]);
      return { decision, model: { ...model.info, version }, inferenceMs, queueMs };
    },
    promote: (version) =>
      change(async (store) => {
        await store.promote(version);
        return version;
      }),
    shadow: (version) => inspector.useShadow(version),
    rollback: () => change((store) => store.rollback()),
    [Symbol.asyncDispose]: () => inspector[Symbol.asyncDispose](),
  };
  return model;
}

function infoOf({ model: { version, base, precision, provider } }: Inspector): Result['model'] {
  return { version, base, precision, provider };
}
