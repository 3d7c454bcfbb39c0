/**
 * All Prometheus metrics; each is declared once in one of these files. Base units, `_total` on counters, bounded label
 * values.
 */
import { collectDefaultMetrics, Registry } from 'prom-client';
import type { TrainingConfig } from '../../config/schema.ts';
import { stationState } from '../publish/messages.ts';
import { type CameraReading, declareCameras } from './cameras.ts';
import { declareChallenge } from './challenge.ts';
import { declareIn, secondsBuckets } from './declare.ts';
import { declareDelivery } from './delivery.ts';
import { declareModelFigures } from './model-figures.ts';
import { declareParts } from './parts.ts';
import { declareServer } from './server.ts';
import { declareStages } from './stages.ts';
import { declareStorage } from './storage.ts';
import { declareTeaching } from './teaching.ts';

export type Metrics = ReturnType<typeof createMetrics>;

/** Declares all metrics in a new registry. Nothing is collected before `text()` is called. */
export function createMetrics({ version }: { readonly version: string }) {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const declare = declareIn(registry);
  const { gauge, histogram } = declare;

  const buildInfo = gauge('qc_build_info', 'Always 1; the version of the agent', ['version']);
  buildInfo.set({ version }, 1);
  const modelMemory = gauge(
    'qc_model_memory_bytes',
    'Growth of the resident memory of the agent when it opened the base, without heads; the base in use, and that of a shadow version',
    ['base'],
  );
  const modelInfo = gauge('qc_model_info', 'Always 1; the model that judges now', [
    'version',
    'base',
    'precision',
    'provider',
  ]);
  const state = gauge('qc_station_state', '1 for the current state of the station, 0 for the others', [
    'state',
  ]);
  const unitCost = gauge(
    'qc_unit_cost',
    'Cost of one inspection, manual check, false reject or escape, in the unit of training.costs',
    ['kind'],
  );
  const cameras = declareCameras(declare);
  const parts = declareParts(declare);

  return {
    ...cameras,
    ...parts,
    ...declareStages(declare),
    ...declareTeaching(declare),
    ...declareChallenge(declare),
    ...declareDelivery(declare),
    ...declareServer(declare),
    /** Reads the free disk space at every scrape. */
    watchStorage: declareStorage(registry),
    /** Figures of a version; only those of the newest versions are exposed. */
    modelScore: declareModelFigures(registry),
    inferenceSeconds: histogram(
      'qc_inference_seconds',
      'Duration of one run of the model',
      ['provider'],
      secondsBuckets,
    ),
    inferenceBatchSize: histogram(
      'qc_inference_batch_size',
      'Batch size of the inference run, observed once per image',
      [],
      [1, 2, 4, 8, 16, 32],
    ),
    /** 1 while parts can be judged. */
    modelUp: gauge('qc_model_up', '1 while the model can judge; 0 while it loads, restarts or has failed'),
    /** Reads the camera at every scrape; its counters of parts start at 0. */
    watchCamera(camera: string, read: () => CameraReading): void {
      cameras.watchCamera(camera, read);
      parts.expectParts(camera);
    },
    /** Costs, if configured. */
    unitCosts(costs: TrainingConfig['costs']): void {
      if (!costs) return;
      const { inspection, check, falseReject } = costs;
      const kinds = { inspection, check, false_reject: falseReject, escape: costs.escape };
      for (const [kind, cost] of Object.entries(kinds)) unitCost.set({ kind }, cost);
    },
    /** Sets exactly one state to 1. */
    stationState(now: string): void {
      for (const one of stationState.options) state.set({ state: one }, one === now ? 1 : 0);
    },
    modelMemory(bases: readonly { readonly base: string; readonly bytes: number }[]): void {
      modelMemory.reset();
      for (const { base, bytes } of bases) modelMemory.set({ base }, bytes);
    },
    /** Sets the model that judges from now on; the previous one is removed. */
    modelInfo(model: { version: string; base: string; precision: string; provider: string }): void {
      modelInfo.reset();
      modelInfo.set({ ...model }, 1);
    },
    contentType: registry.contentType,
    /** The text of one scrape. */
    text: () => registry.metrics(),
    /** Names of all metrics, including those of the runtime. */
    names: () => registry.getMetricsAsArray().map((metric) => metric.name),
  };
}
