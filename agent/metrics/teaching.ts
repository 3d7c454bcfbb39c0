/** Metrics of calibration. */
import type { Declare } from './declare.ts';
import { keptValues } from './kept-values.ts';

/** Outcomes of a training; all counters start at 0, so that the first event is an increase. */
const outcomes = ['done', 'failed', 'cancelled'];

export function declareTeaching({ counter, gauge, histogram }: Declare) {
  let candidates: (() => number) | undefined;
  gauge('qc_candidates_waiting', 'Parts waiting for a label', [], function () {
    this.set(candidates?.() ?? 0);
  });
  const labelled = gauge('qc_labelled_frames', 'Labelled frames', ['label']);
  const corrections = counter('qc_corrections_total', 'Labels that differ from the prediction', [
    'from',
    'to',
  ]);
  const correctedLabel = keptValues();
  const runs = counter('qc_training_runs_total', 'Trainings by outcome', ['outcome']);
  for (const outcome of outcomes) runs.inc({ outcome }, 0);
  const seconds = histogram(
    'qc_training_seconds',
    'Duration of a training',
    [],
    [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600],
  );
  return {
    shadowParts: counter(
      'qc_shadow_parts_total',
      'Parts that the shadow candidate also judged, by agreement with the active version',
      ['outcome'],
    ),
    /** Reads the number of parts that wait for a label at every scrape. */
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
    trained(outcome: string, took: number): void {
      runs.inc({ outcome });
      seconds.observe(took);
    },
  };
}
