/**
 * The agent: the list of its parts, opened in this order and closed in reverse.
 *
 *   storage      the data directory, locked by this agent
 *   model        recipes and model; the model loads while the rest is opened
 *   records      outbox, evidence, newest results, audit log
 *   calibration  labels, training, versions, drift
 *   challenge    parts known to be good or bad that the station must classify correctly
 *   http         page, API and metrics
 *   publish      MQTT and Sparkplug, from the outbox
 *   cameras      feeds and triggers
 *   inspections  frame → part → verdict → outbox
 *
 * HTTP comes before the broker and the cameras, so that a port in use ends the start before anything is announced. The
 * cameras close first: every started part has its result in the outbox before MQTT closes.
 */
import type { Config } from '../config/schema.ts';
import { createControl } from './control.ts';
import { Inspections } from './inspections.ts';
import { Closer } from './lifecycle/closer.ts';
import type { Liveness } from './lifecycle/liveness.ts';
import { openCalibrationStage } from './stages/calibration.ts';
import { openCameras } from './stages/cameras.ts';
import { openChallengeStage } from './stages/challenge.ts';
import { type CoreDeps, createCore } from './stages/core.ts';
import { openHttpStage } from './stages/http.ts';
import { startInspections } from './stages/inspections.ts';
import { openModel } from './stages/model.ts';
import { openPublish } from './stages/publish.ts';
import { openRecords } from './stages/records.ts';
import { openStorage } from './stages/storage.ts';
import type { Station } from './station.ts';

export interface Agent extends AsyncDisposable {
  /** Address of the page, the API and the metrics. */
  readonly url: string;
  readonly station: Station;
  /** Whether the agent makes progress, for a watchdog. */
  readonly liveness: Liveness;
  /** Rejects when an inspection cannot continue; never resolves. */
  readonly failed: Promise<never>;
}

/**
 * Opens the whole agent. Unreachable cameras or an unreachable broker are not errors: they are reported and retried.
 * Closing gives every started part its result, delivers what it can, and disconnects from the broker.
 * @throws QcError if another agent uses the data, the model is missing or damaged, or the port is in use; everything opened
 * is closed again
 */
export async function openAgent(config: Config, deps: CoreDeps): Promise<Agent> {
  await using opened = new Closer();
  const core = createCore(config, deps);
  const { station, metrics, liveness } = core;
  const inspections = new Inspections();
  station.watch({ cameras: () => inspections.feeds });

  const storage = opened.use(await openStorage(core));
  const model = opened.use(await openModel(core, inspections));
  const records = opened.use(await openRecords(core));
  const calibration = opened.use(await openCalibrationStage(core, { model, records }));
  const challenge = opened.use(await openChallengeStage(core, { model, records }));
  const control = createControl({
    station,
    inspections,
    model: model.loading,
    calibration: calibration.calibration,
    recipes: model.recipes,
    challenge,
    saveMode: calibration.saveMode,
  });
  const http = opened.use(
    await openHttpStage(core, {
      records,
      model,
      challenge,
      calibration: calibration.calibration,
      control,
      inspections,
    }),
  );
  const publish = opened.use(await openPublish(core, { records, model, control, inspections }));
  station.onChange(() => {
    metrics.stationState(station.state);
    metrics.modelUp.set(model.live && !model.live.fault ? 1 : 0);
    metrics.recipeInForce(model.inForce.active);
    publish.stationChanged();
  });
  station.changed();
  opened.use(await openCameras(core, { model, publish, inspections }));
  const live = await model.start();
  const running = startInspections(core, { live, records, calibration, challenge, publish, inspections });
  opened.defer(station.startingEnds());
  opened.defer(() => station.stopping());

  const all = opened.move();
  return {
    url: http.url,
    station,
    liveness,
    failed: new Promise((_, reject) => {
      for (const inspection of running) inspection.catch(reject);
      storage.refused.catch(reject);
    }),
    [Symbol.asyncDispose]: () => all[Symbol.asyncDispose](),
  };
}
