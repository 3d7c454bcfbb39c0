/** Metrics of the parts. */
import { type Result, verdictValue } from '../publish/messages.ts';
import { type Declare, secondsBuckets } from './declare.ts';
import { keptValues } from './kept-values.ts';

/** Dense near both ends, where the thresholds are. */
const probabilityBuckets = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1];
/** Defects are small. */
const areaBuckets = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1];
const jobOutcomes = ['completed', 'aborted', 'failed'] as const satisfies readonly Result['state'][];

type Inspected = Pick<Result, 'camera' | 'recipe' | 'verdict' | 'label' | 'probability' | 'where'> & {
  readonly timingsMs: Pick<Result['timingsMs'], 'total'>;
};

export function declareParts({ counter, gauge, histogram }: Declare) {
  const recipe = keptValues();
  const parts = counter('qc_parts_inspected_total', 'Parts with a result', ['camera', 'recipe', 'verdict']);
  const defects = counter('qc_defects_total', 'Failed parts by defect', ['camera', 'recipe', 'label']);
  const probability = histogram(
    'qc_probability',
    'Probability of the most probable label',
    ['camera'],
    probabilityBuckets,
  );
  const defectArea = histogram(
    'qc_defect_area_ratio',
    'Fraction of the frame covered by the largest box of a part, for parts with a located defect',
    ['camera'],
    areaBuckets,
  );
  const captureToResult = histogram(
    'qc_capture_to_result_seconds',
    'Time from capture to verdict',
    ['camera'],
    secondsBuckets,
  );
  const drifts = new Map<string, () => number | undefined>();
  gauge(
    'qc_feature_drift',
    'Distance of the newest parts from the training parts: 0 none, 1 the alarm limit',
    ['camera'],
    function () {
      for (const [camera, read] of drifts) {
        const drift = read();
        if (drift === undefined) this.remove({ camera });
        else this.set({ camera }, drift);
      }
    },
  );
  const recipeInfo = gauge('qc_recipe_info', 'Always 1; the active recipe', ['recipe']);
  const metrics = {
    unfamiliarParts: counter('qc_unfamiliar_parts_total', 'Parts unlike all labelled ones', ['camera']),
    jobsDone: counter('qc_jobs_total', 'Triggered jobs with a result, by state of the processing', [
      'camera',
      'outcome',
    ]),
    triggersRefused: counter('qc_triggers_refused_total', 'Refused triggers by reason', ['camera', 'reason']),
    resultsUnacknowledged: counter(
      'qc_results_unacknowledged_total',
      'Results that were not acknowledged in time',
      ['camera'],
    ),
  };
  return {
    ...metrics,
    /** Counters start at 0, so that the first event is an increase. */
    expectParts(camera: string): void {
      metrics.unfamiliarParts.inc({ camera }, 0);
      metrics.resultsUnacknowledged.inc({ camera }, 0);
      for (const outcome of jobOutcomes) metrics.jobsDone.inc({ camera, outcome }, 0);
      for (const verdict of verdictValue.options)
        parts.inc({ camera, recipe: recipe('default'), verdict }, 0);
    },
    /** Sets the active recipe; the previous one is removed. */
    recipeInForce(name: string): void {
      recipeInfo.reset();
      recipeInfo.set({ recipe: name }, 1);
    },
    /** Reads the drift of a camera's parts at every scrape; undefined while it is unknown. */
    watchDrift(camera: string, read: () => number | undefined): void {
      drifts.set(camera, read);
    },
    /** Counts one part by its result. */
    partInspected(result: Inspected): void {
      const { camera, verdict, label } = result;
      const labels = { camera, recipe: recipe(result.recipe) };
      parts.inc({ ...labels, verdict });
      if (verdict === 'fail' && label !== null) defects.inc({ ...labels, label });
      if (result.probability !== null) probability.observe({ camera }, result.probability);
      const areas = result.where?.map(({ width, height }) => width * height) ?? [];
      if (areas.length > 0) defectArea.observe({ camera }, Math.max(...areas));
      captureToResult.observe({ camera }, result.timingsMs.total / 1000);
    },
  };
}
