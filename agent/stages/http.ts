/** Connects the other stages with the HTTP routes. */
import type { StationCalibration } from '../../calibration/station/calibration.ts';
import type { Challenge } from '../challenge/challenge.ts';
import type { Control } from '../control.ts';
import { type Http, openHttp } from '../http/http.ts';
import type { Inspections } from '../inspections.ts';
import { createSettings } from '../settings/settings.ts';
import { createSetupTools } from '../setup/tools.ts';
import type { Core } from './core.ts';
import type { ModelStage } from './model.ts';
import type { Records } from './records.ts';

export interface HttpStageDeps {
  readonly records: Records;
  readonly model: ModelStage;
  readonly calibration: StationCalibration;
  readonly challenge: Challenge;
  readonly control: Control;
  readonly inspections: Inspections;
}

/** @throws QcError as `openHttp` */
export function openHttpStage(
  { config, log, metrics, station, liveness, live, source }: Core,
  { records, model, calibration, challenge, control, inspections }: HttpStageDeps,
): Promise<Http> {
  const { recent, past, evidence, statistics, audit } = records;
  return openHttp(config.http, {
    station: config.station,
    log,
    metrics,
    recent,
    past,
    evidence,
    statistics,
    audit,
    calibration,
    ...(source && {
      settings: createSettings({ ...source, live }),
      setup: createSetupTools({
        view: { mode: 'running', file: source.file },
        known: () => live.current,
        isRunning: true,
        finish: async () => undefined,
        start: () => undefined,
      }),
    }),
    commands: control,
    challenge: () => challenge.view,
    recipes: () => model.recipes.list(),
    handshakes: () => inspections.handshakes,
    job: (jobId, waitMs) => inspections.resultOfJob(jobId, waitMs),
    status: () => station.status,
    readiness: () => station.checks,
    hang: () => liveness.hang(),
    cameras: () => inspections.views,
    aim: (camera) => inspections.get(camera)?.aim,
    classify: async (image) => (await model.loading).classify(image),
    watch(on) {
      for (const feed of inspections.feeds) void feed.watch(on);
    },
    onNotice: (what, text) => station.notice(`http ${what}`, text),
  });
}
