/** Starts judging: connects the inspection of each camera with the model, the outbox and the receivers of results. */
import { monotonicMs } from '../../models/run/monotonic.ts';
import type { Challenge } from '../challenge/challenge.ts';
import type { Line } from '../inspect.ts';
import type { Inspections } from '../inspections.ts';
import type { LiveModel } from '../live-model.ts';
import type { CalibrationStage } from './calibration.ts';
import type { Core } from './core.ts';
import type { PublishStage } from './publish.ts';
import type { Records } from './records.ts';

/** Work that takes longer counts as hung, ms: judging one image, and storing a result. */
const maxJudgingMs = 30_000;
const maxStoringMs = 60_000;

export interface InspectingDeps {
  readonly live: LiveModel;
  readonly records: Records;
  readonly calibration: CalibrationStage;
  readonly challenge: Pick<Challenge, 'known'>;
  readonly publish: PublishStage;
  readonly inspections: Inspections;
}

/** @returns one promise for each camera: it rejects if its inspection cannot continue */
export function startInspections(
  { config, metrics, station, liveness }: Core,
  { live, records, calibration, challenge, publish, inspections }: InspectingDeps,
): Promise<void>[] {
  const { outbox, evidence, statistics, recent } = records;
  const judging = liveness.job('the inference', maxJudgingMs, () => live.fault !== undefined);
  const storing = liveness.job('the storing of a result', maxStoringMs);

  const ofAllCameras: Omit<Line, 'camera' | 'parts' | 'after' | 'judge' | 'known'> = {
    depth: Math.ceil(live.concurrency / inspections.size),
    rules: (version, recipe) => live.rules(version, recipe),
    facts: () => ({ station: config.station, model: live.info, calibration: station.calibrating }),
    keep(result, { frame, map }) {
      const startedAt = monotonicMs();
      const path = evidence.keep(result, frame?.image, map);
      metrics.evidenceTaken(monotonicMs() - startedAt);
      return path;
    },
    async publish(result) {
      const putAt = monotonicMs();
      const letters = publish.letters(result);
      await storing(() => outbox.put(letters, result));
      metrics.partStored(result, putAt);
    },
    count(result) {
      statistics.add(result);
      // Parts of a challenge test are not production.
      if (!result.challenge) metrics.partInspected(result);
      metrics.partTimed(result);
    },
    show(result, seen) {
      recent.add(result, seen);
      if (result.challenge) return;
      calibration.calibration.see(result, seen);
      calibration.drift.add(result, seen);
    },
  };

  return [...inspections].map(([camera, inspection]) =>
    inspection.run({
      ...ofAllCameras,
      after: outbox.newestSequence(camera),
      known: (part) => challenge.known(camera, part),
      judge: (image, recipe) => judging(() => live.judge(image, recipe, camera)),
    }),
  );
}
