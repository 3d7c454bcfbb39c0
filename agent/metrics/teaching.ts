/** How far calibration is. */
import type { Declare } from './declare.ts';
import { keptValues } from './kept-values.ts';

/** How a training ends; each is there from the start, so that the first of its kind is an increase. */
const outcomes = ['done', 'failed', 'cancelled'];

export function declareTeaching({ counter, gauge, histogram }: Declare) {
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
  const runs = counter('qc_training_runs_total', 'Trainings by how they ended', ['outcome']);
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
    trained(outcome: string, took: number): void {
      runs.inc({ outcome });
      seconds.observe(took);
    },
  };
}
