/** Real calibration on a folder, with parts judged by a test. */
import { pino } from 'pino';
import { newId } from '../../agent/lifecycle/id.ts';
import { createMetrics } from '../../agent/metrics/metrics.ts';
import {
  type LiveModel,
  openCalibration,
  type StationCalibration,
} from '../../calibration/station/calibration.ts';
import { seededRandom } from '../../calibration/train/random.ts';
import { modelSchema } from '../../config/model-schema.ts';
import { storageSchema } from '../../config/schema.ts';
import { trainingSchema } from '../../config/training-schema.ts';
import type { Image } from '../../models/image.ts';
import { result } from './publisher.ts';

export interface RealCalibration extends AsyncDisposable {
  readonly calibration: StationCalibration;
  readonly station: { calibrating: boolean };
  readonly log: string[];
  /** Judges a part of this number with an image of one colour; returns the id of its result. */
  judge(n: number): string;
}

export async function openRealCalibration(
  directory: string,
  calibrating = true,
  model?: LiveModel,
): Promise<RealCalibration> {
  const log: string[] = [];
  const station = { calibrating };
  const calibration = await openCalibration(
    {
      model: modelSchema.parse({}),
      labels: { good: ['good'] },
      thresholds: { pass: 0.7, fail: 0.6 },
      storage: storageSchema.parse({ directory }),
      training: trainingSchema.parse({}),
      recipes: {},
    },
    {
      log: pino({ level: 'info' }, { write: (line: string) => void log.push(line) }),
      metrics: createMetrics({ version: '0' }),
      station,
      past: { result: async () => undefined, image: async () => undefined },
      model: async () => {
        if (!model) throw new Error('there is no model here');
        return model;
      },
      active: () => undefined,
      misfit: () => undefined,
    },
  );
  return {
    calibration,
    station,
    log,
    judge(n) {
      const resultId = newId();
      const judged = result(n, {
        resultId,
        camera: 'top',
        partId: `A-${n}`,
        state: 'completed',
        label: null,
        probability: null,
        verdict: 'uncertain',
        capturedAt: new Date().toISOString(),
      });
      const random = seededRandom(n + 1);
      const features = Float32Array.from({ length: 32 }, () => random.next());
      calibration.see(judged, { frame: { image: colour(n) }, features });
      return resultId;
    },
    [Symbol.asyncDispose]: () => calibration[Symbol.asyncDispose](),
  };
}

const colour = (n: number): Image => ({
  width: 120,
  height: 90,
  data: new Uint8Array(120 * 90 * 3).map((_, i) => [n * 37, n * 91, n * 13][i % 3]! % 256),
});
