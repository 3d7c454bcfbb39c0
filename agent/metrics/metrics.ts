/** Every Prometheus metric, declared once. Base units, `_total` on counters, bounded label values. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { ErrorCode } from '../../config/errors.ts';
import type { TrainingConfig } from '../../config/schema.ts';
import type { DropReason } from '../camera/source.ts';
import { type Result, stationState, verdictValue } from '../publish/messages.ts';
import { keptValues } from './kept-values.ts';
import { declareModelFigures } from './model-figures.ts';
import { declareStorage } from './storage.ts';

/** What a camera shows at the moment of a scrape. */
export interface CameraReading {
  readonly camera: string;
  readonly up: boolean;
  /** When the newest frame was captured, ms since the epoch. */
  readonly newestAt: number | undefined;
}

export interface OutboxReading {
  readonly size: number;
  readonly oldestAgeMs: number;
  readonly dropped: number;
}

export interface EvidenceReading {
  readonly bytes: number;
  readonly files: number;
}

/** 1 ms to 10 s, dense where a part has to be judged in time. */
const secondsBuckets = [0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10];
/** Dense near the ends, where the thresholds are. */
const probabilityBuckets = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1];

const dropReasons = ['overwritten', 'busy', 'corrupt', 'recut'] as const satisfies readonly DropReason[];
const jobOutcomes = ['completed', 'aborted', 'failed'] as const satisfies readonly Result['state'][];
/** Faults of a camera that are alarmed by themselves. */
const cameraReasons = ['camera-frozen', 'camera-stalled'] as const satisfies readonly ErrorCode[];
/** How a training ends; each is there from the start, so that the first of its kind is an increase. */
const trainingOutcomes = ['done', 'failed', 'cancelled'];

export type Metrics = ReturnType<typeof createMetrics>;

/** Declares all metrics in a registry of their own. Nothing runs until `text()` is asked for. */
export function createMetrics({ version }: { readonly version: string }) {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });

  const cameras = new Map<string, () => CameraReading>();
  const drifts = new Map<string, () => number | undefined>();
  let outbox: (() => OutboxReading) | undefined;

  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Counter<L>({ name, help, labelNames: [...labelNames], registers });
  const gauge = <L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[] = [],
    collect: (this: Gauge<L>) => void = () => {},
  ) => new Gauge<L>({ name, help, labelNames: [...labelNames], registers, collect });
  const histogram = <L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[],
    buckets: readonly number[],
  ) => new Histogram<L>({ name, help, labelNames: [...labelNames], buckets: [...buckets], registers });

  const buildInfo = gauge('qc_build_info', 'Always 1; the version of the agent', ['version']);
  buildInfo.set({ version }, 1);
  const modelInfo = gauge('qc_model_info', 'Always 1; the model that judges now', [
    'version',
    'base',
    'precision',
    'provider',
  ]);
  const state = gauge('qc_station_state', '1 for the state the station is in, 0 for the others', ['state']);

  gauge('qc_camera_up', '1 while frames arrive', ['camera'], function () {
    for (const read of cameras.values()) {
      const { camera, up } = read();
      this.set({ camera }, up ? 1 : 0);
    }
  });
  gauge('qc_frame_age_seconds', 'Age of the newest frame, from its capture', ['camera'], function () {
    for (const read of cameras.values()) {
      const { camera, newestAt } = read();
      if (newestAt !== undefined) this.set({ camera }, Math.max(0, Date.now() - newestAt) / 1000);
    }
  });
  gauge('qc_outbox_messages', 'Messages that wait for the broker', [], function () {
    this.set(outbox?.().size ?? 0);
  });
  gauge('qc_outbox_oldest_seconds', 'How long the oldest message has waited', [], function () {
    this.set((outbox?.().oldestAgeMs ?? 0) / 1000);
  });
  let droppedBefore = 0;
  new Counter({
    name: 'qc_outbox_dropped_total',
    help: 'Messages thrown away undelivered because the outbox was full, or the broker never takes them',
    registers,
    collect() {
      const dropped = outbox?.().dropped ?? 0;
      this.inc(Math.max(0, dropped - droppedBefore));
      droppedBefore = dropped;
    },
  });

  let evidence: (() => EvidenceReading) | undefined;
  gauge('qc_evidence_bytes', 'Disk taken by evidence pictures and their results', [], function () {
    this.set(evidence?.().bytes ?? 0);
  });
  gauge('qc_evidence_files', 'Evidence pictures kept', [], function () {
    this.set(evidence?.().files ?? 0);
  });

  const recipe = keptValues();
  const parts = counter('qc_parts_inspected_total', 'Parts that got a result', [
    'camera',
    'recipe',
    'verdict',
  ]);
  const defects = counter('qc_defects_total', 'Failed parts by the defect seen', [
    'camera',
    'recipe',
    'label',
  ]);
  const probability = histogram(
    'qc_probability',
    'Probability of the most probable label',
    ['camera'],
    probabilityBuckets,
  );
  const captureToResult = histogram(
    'qc_capture_to_result_seconds',
    'From the shutter to the verdict',
    ['camera'],
    secondsBuckets,
  );

  gauge(
    'qc_feature_drift',
    'How far the newest parts are from those of the training: 0 not at all, from 1 worth an alarm',
    ['camera'],
    function () {
      for (const [camera, read] of drifts) {
        const drift = read();
        if (drift === undefined) this.remove({ camera });
        else this.set({ camera }, drift);
      }
    },
  );
  const unitCost = gauge(
    'qc_unit_cost',
    'What one inspection, check by hand, false reject or escape costs, in the unit of training.costs',
    ['kind'],
  );

  let candidates: (() => number) | undefined;
  gauge('qc_candidates_waiting', 'Parts that wait for a label', [], function () {
    this.set(candidates?.() ?? 0);
  });
  const labelled = gauge('qc_labelled_frames', 'Labelled frames', ['label']);
  const corrections = counter('qc_corrections_total', 'Labels that differ from what was said', [
    'from',
    'to',
  ]);
  const correctedLabel = keptValues();
  const trainingRuns = counter('qc_training_runs_total', 'Trainings by how they ended', ['outcome']);
  for (const outcome of trainingOutcomes) trainingRuns.inc({ outcome }, 0);
  const trainingSeconds = histogram(
    'qc_training_seconds',
    'From the start of a training to its end',
    [],
    [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600],
  );

  const unfamiliarParts = counter('qc_unfamiliar_parts_total', 'Parts unlike every labelled one', ['camera']);
  const evidenceDropped = counter(
    'qc_evidence_dropped_total',
    'Pictures that were not kept as evidence: the disk was too slow, nearly full, or refused them',
    ['reason'],
  );
  const cameraReconnects = counter('qc_camera_reconnects_total', 'Times a camera was opened again', [
    'camera',
  ]);
  const cameraFaults = counter('qc_camera_faults_total', 'Losses of a camera by reason', [
    'camera',
    'reason',
  ]);

  const framesDropped = counter('qc_frames_dropped_total', 'Frames nobody took in time', [
    'camera',
    'reason',
  ]);
  const jobsDone = counter('qc_jobs_total', 'Triggered jobs that got their result, by how it was processed', [
    'camera',
    'outcome',
  ]);
  const resultsUnacknowledged = counter(
    'qc_results_unacknowledged_total',
    'Results that nobody acknowledged in time',
    ['camera'],
  );

  return {
    unfamiliarParts,
    shadowParts: counter(
      'qc_shadow_parts_total',
      'Parts that a candidate in the shadow judged too, by whether it agrees with the active head',
      ['outcome'],
    ),
    /** Reads at every scrape how many parts wait for a label. */
    watchCandidates(read: () => number): void {
      candidates = read;
    },
    labelledFrames(counts: ReadonlyMap<string, number>): void {
      labelled.reset();
      const label = keptValues();
      for (const [name, count] of counts) labelled.inc({ label: label(name) }, count);
    },
    corrected(from: string, to: string): void {
      corrections.inc({ from: correctedLabel(from), to: correctedLabel(to) });
    },
    trained(outcome: string, seconds: number): void {
      trainingRuns.inc({ outcome });
      trainingSeconds.observe(seconds);
    },
    /** Figures of a version; those of the newest few are shown. */
    modelScore: declareModelFigures(registry),
    evidenceDropped,
    cameraReconnects,
    cameraFaults,
    framesReceived: counter('qc_frames_received_total', 'Frames handed over by the decoder', ['camera']),
    framesDropped,
    inferenceSeconds: histogram('qc_inference_seconds', 'One run of the model', ['provider'], secondsBuckets),
    inferenceBatchSize: histogram(
      'qc_inference_batch_size',
      'Images in one run of the model',
      [],
      [1, 2, 4, 8, 16, 32],
    ),
    mqttConnected: gauge('qc_mqtt_connected', '1 while announced to the broker'),
    mqttPublished: counter('qc_mqtt_published_total', 'Messages the broker has acknowledged', ['kind']),
    sparkplugConnected: gauge(
      'qc_sparkplug_connected',
      '1 while the Sparkplug edge node is born; absent where the station is none',
      ['group', 'node'],
    ),
    sparkplugPublished: counter('qc_sparkplug_published_total', 'Sparkplug messages sent', ['type']),

    recipeInForce: gauge('qc_recipe_info', 'Always 1; the recipe in force', ['recipe']),
    jobsDone,
    triggersRefused: counter('qc_triggers_refused_total', 'Triggers that became no job, by reason', [
      'camera',
      'reason',
    ]),
    resultsUnacknowledged,
    /** 1 while parts can be judged. */
    modelUp: gauge(
      'qc_model_up',
      '1 while the model can judge; 0 while it loads, starts again or has failed',
    ),
    /** What things cost, where the config says so. */
    unitCosts(costs: TrainingConfig['costs']): void {
      if (!costs) return;
      const { inspection, check, falseReject } = costs;
      const kinds = { inspection, check, false_reject: falseReject, escape: costs.escape };
      for (const [kind, cost] of Object.entries(kinds)) unitCost.set({ kind }, cost);
    },
    /** Looks at every scrape how much room there is. */
    watchStorage: declareStorage(registry),
    /** Reads at every scrape how far a camera's parts have drifted; undefined while nobody can tell. */
    watchDrift(camera: string, read: () => number | undefined): void {
      drifts.set(camera, read);
    },

    /** Exactly one state is 1. */
    stationState(now: string): void {
      for (const one of stationState.options) state.set({ state: one }, one === now ? 1 : 0);
    },
    /** The model that judges from now on; the one before is no longer shown. */
    modelInfo(model: { version: string; base: string; precision: string; provider: string }): void {
      modelInfo.reset();
      modelInfo.set({ ...model }, 1);
    },
    /** Counts one part by its result. */
    partInspected(result: {
      readonly camera: string;
      readonly recipe: string;
      readonly verdict: 'pass' | 'fail' | 'uncertain';
      readonly label: string | null;
      readonly probability: number | null;
      readonly timingsMs: { readonly total: number };
    }): void {
      const labels = { camera: result.camera, recipe: recipe(result.recipe) };
      parts.inc({ ...labels, verdict: result.verdict });
      if (result.verdict === 'fail' && result.label !== null) defects.inc({ ...labels, label: result.label });
      if (result.probability !== null) probability.observe({ camera: result.camera }, result.probability);
      captureToResult.observe({ camera: result.camera }, result.timingsMs.total / 1000);
    },
    /** Reads the camera at every scrape. What may never happen to it stands at 0, so that its first time is an increase. */
    watchCamera(name: string, read: () => CameraReading): void {
      cameras.set(name, read);
      for (const metric of [cameraReconnects, unfamiliarParts, resultsUnacknowledged]) {
        metric.inc({ camera: name }, 0);
      }
      for (const reason of cameraReasons) cameraFaults.inc({ camera: name, reason }, 0);
      for (const reason of dropReasons) framesDropped.inc({ camera: name, reason }, 0);
      for (const outcome of jobOutcomes) jobsDone.inc({ camera: name, outcome }, 0);
      for (const one of verdictValue.options) {
        parts.inc({ camera: name, recipe: recipe('default'), verdict: one }, 0);
      }
    },
    /** Reads the outbox at every scrape. */
    watchOutbox(read: () => OutboxReading): void {
      outbox = read;
    },
    /** Reads the evidence at every scrape. */
    watchEvidence(read: () => EvidenceReading): void {
      evidence = read;
      for (const reason of ['slow', 'low-disk', 'failed']) evidenceDropped.inc({ reason }, 0);
    },
    contentType: registry.contentType,
    /** The exposition text of one scrape. */
    text: () => registry.metrics(),
    /** Names of all metrics, those of the runtime included. */
    names: () => registry.getMetricsAsArray().map((metric) => metric.name),
  };
}
