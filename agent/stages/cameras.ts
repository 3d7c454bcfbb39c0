/** The cameras: each detects its parts at once; they wait in a bounded queue until the model judges them. */
import { openInspection } from '../inspection.ts';
import type { Inspections } from '../inspections.ts';
import { Closer } from '../lifecycle/closer.ts';
import { applyLive, liveCameraKeys } from '../live-settings.ts';
import { cameraObserver, handshakeObserver } from '../metrics/observers.ts';
import type { Core } from './core.ts';
import type { ModelStage } from './model.ts';
import type { PublishStage } from './publish.ts';

export interface CamerasDeps {
  readonly model: ModelStage;
  readonly publish: PublishStage;
  /** The collection to which they are added. */
  readonly inspections: Inspections;
}

/** An unreachable camera is not an error. Closing gives every started part its result, then closes the cameras. */
export async function openCameras(
  { config, live, log, metrics, station, liveness }: Core,
  { model, publish, inspections }: CamerasDeps,
): Promise<AsyncDisposable> {
  await using opened = new Closer();
  const { book, inForce } = model;
  for (const [camera, cameraConfig] of Object.entries(config.cameras)) {
    const inspection = await openInspection(camera, cameraConfig, {
      log,
      observer: cameraObserver(metrics, () => station.changed()),
      onNotice: (text) => station.notice(`parts of ${camera}`, text),
      recipe: () => inForce.active,
      region: (recipe) => book.region(recipe, camera),
      regionSetting: (recipe) => book.regionSetting(recipe, camera),
      handshake: {
        storageDirectory: config.storage.directory,
        observer: handshakeObserver(metrics),
        obstacle: () => station.obstacle,
        onChange: () => publish.handshakesChanged(),
        onNotice: (text) => station.notice(`handshake of ${camera}`, text),
      },
    });
    inspections.set(camera, opened.use(inspection));
    const { feed } = inspection;
    metrics.watchCamera(camera, () => feed);
    liveness.loop(`the reading of camera ${camera}`, feed.maxSilenceMs, () => feed.lastActiveAt);
  }
  live.takesLive(liveCameraKeys, () =>
    applyLive(live.current, { recipes: model.recipes, cameras: inspections }),
  );
  return opened.move();
}
