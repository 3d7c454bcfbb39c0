/** Calibration while the line runs: labels, training and versions, the mode of the station, and drift. */
import { openCalibration, type StationCalibration } from '../../calibration/station/calibration.ts';
import { readCalibrating, saveCalibrating } from '../../calibration/station/mode.ts';
import { createDriftWatch, type DriftWatch } from '../drift/watch.ts';
import type { Core } from './core.ts';
import type { ModelStage } from './model.ts';
import type { Records } from './records.ts';

export interface CalibrationStage extends AsyncDisposable {
  readonly calibration: StationCalibration;
  readonly drift: DriftWatch;
  /** Stores the mode for the next start; reports errors to the station. */
  saveMode(calibrating: boolean): Promise<void>;
}

export interface CalibrationStageDeps {
  readonly model: ModelStage;
  readonly records: Records;
}

export async function openCalibrationStage(
  { config, log, metrics, station }: Core,
  { model, records }: CalibrationStageDeps,
): Promise<CalibrationStage> {
  const { directory } = config.storage;
  station.calibrating = await readCalibrating(directory, log);
  const calibration = openCalibration(config, {
    log,
    metrics,
    station,
    past: records.past,
    model: () => model.loading,
    active: () => model.live?.info.version,
    misfit: () => model.live?.misfit,
  });
  return {
    calibration,
    drift: createDriftWatch(directory, { log, metrics }),
    saveMode: (calibrating) =>
      saveCalibrating(directory, calibrating).then(
        () => station.notice('mode', ''),
        (error: Error) => station.notice('mode', `the mode will be lost at a restart: ${error.message}`),
      ),
    [Symbol.asyncDispose]: () => calibration[Symbol.asyncDispose](),
  };
}
