/** The inspection of one camera: its feed, its trigger and the loop that judges its parts. */
import type { CameraConfig, TriggerConfig } from '../config/schema.ts';
import type { Region } from '../models/image.ts';
import type { CameraFeed } from './camera/camera.ts';
import { type CameraFeedDeps, openCameraFeed } from './camera/feed.ts';
import { sameRegion } from './camera/live-region.ts';
import { type Handshake, type HandshakeDeps, openHandshake } from './handshake/handshake.ts';
import type { AimCamera } from './http/aim-channel.ts';
import type { CameraView } from './http/views.ts';
import { inspect, type Line } from './inspect.ts';
import { openJudgedImages } from './part/judged.ts';
import { openKeptBackgrounds } from './part/kept-backgrounds.ts';
import { type OpenParts, openParts } from './part/parts.ts';

export interface InspectionDeps extends CameraFeedDeps {
  readonly handshake: Pick<
    HandshakeDeps,
    'storageDirectory' | 'observer' | 'obstacle' | 'onChange' | 'onNotice'
  >;
  /** Called with a problem of the parts, and with an empty text when it is over. */
  readonly onNotice: (text: string) => void;
  /** The active recipe. */
  readonly recipe: () => string;
  /** The region of a recipe. */
  readonly region: (recipe: string) => Region;
  /** The setting that contains the region of a recipe. */
  readonly regionSetting: (recipe: string) => string;
}

export interface Inspection extends AsyncDisposable {
  readonly feed: CameraFeed;
  readonly parts: OpenParts;
  /** Defined if a PLC triggers the parts. */
  readonly handshake: Handshake | undefined;
  /** View for the page. */
  readonly view: CameraView;
  /** For people who aim the camera. */
  readonly aim: AimCamera;
  /** @throws QcError camera-region */
  checkRegion(region: Region): void;
  /** To be called when the active recipe or its region has changed: resolves once frames are cut by it. */
  recipeChanged(): Promise<void>;
  /** Uses other settings of the trigger from the next frame on; false if that needs a restart: then nothing has changed. */
  adjust(trigger: TriggerConfig): boolean;
  /** Starts judging; rejects only if the inspection cannot continue. */
  run(line: Omit<Line, 'camera' | 'parts'>): Promise<void>;
}

/**
 * Opens a camera and detects its parts at once; they wait in a bounded queue until `run` judges them. Closing gives started
 * parts their results, then closes the camera.
 */
export async function openInspection(
  camera: string,
  config: CameraConfig,
  deps: InspectionDeps,
): Promise<Inspection> {
  const regionInForce = () => deps.region(deps.recipe());
  const judged = await openJudgedImages(deps.handshake.storageDirectory, camera, deps.log);
  const feed = await openCameraFeed(camera, { ...config, region: regionInForce() }, deps);
  let handshake: Handshake | undefined;
  const kept = await openKeptBackgrounds({
    storageDirectory: deps.handshake.storageDirectory,
    camera,
    url: config.url,
    log: deps.log,
  });
  const parts = openParts(config.trigger, config.vote, feed, {
    camera,
    recipe: deps.recipe,
    aim: (recipe) => void feed.cut(recipe === undefined ? regionInForce() : deps.region(recipe)),
    onAcquired: (jobId) => handshake?.acquired(jobId),
    onNotice: deps.onNotice,
    kept,
    condition: (condition, text) => feed.condition(condition, text),
    judged,
    maxWaitMs: config.maxWaitMs,
    onShed: (frames) => deps.observer.dropped(camera, 'overload', frames),
  });
  if (config.trigger.kind === 'command') {
    const { log, recipe } = deps;
    handshake = await openHandshake(camera, config.trigger, {
      ...deps.handshake,
      log,
      recipe,
      acquire: (request) => parts.trigger(request),
      obstacle() {
        if (!feed.up) return `the camera is down: ${feed.reason}`;
        return feed.blocked || deps.handshake.obstacle();
      },
    });
  }
  const stopping = new AbortController();
  let running: Promise<void> = Promise.resolve();
  return {
    feed,
    parts,
    handshake,
    get view() {
      const { trigger, simulated } = config;
      const { up, reason, region, newestAt = null } = feed;
      return { name: camera, up, reason, region, trigger: trigger.kind, newestAt, simulated };
    },
    aim: {
      watch(viewer) {
        const watching = [feed.aim((image) => viewer.image(image)), parts.watch(viewer)];
        return {
          [Symbol.dispose]() {
            for (const one of watching) one[Symbol.dispose]();
          },
        };
      },
      state: () => ({
        up: feed.up,
        problem: feed.up ? feed.aimProblem || feed.blocked : feed.reason,
        trigger: config.trigger.kind,
        region: regionInForce(),
        regionSetting: deps.regionSetting(deps.recipe()),
      }),
    },
    checkRegion: (region) => feed.checkRegion(region),
    async recipeChanged() {
      parts.recipeChanged(!sameRegion(feed.region, regionInForce()));
      await parts.idle();
      await feed.cut(regionInForce());
    },
    adjust: (trigger) => parts.adjust(trigger),
    run(line) {
      const show: Line['show'] = (result, seen) => {
        // Parts arrive again, so earlier problems with them are over.
        deps.onNotice('');
        line.show(result, seen);
        handshake?.done(result);
      };
      running = inspect({ ...line, show, camera, parts }, stopping.signal);
      return running;
    },
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await parts[Symbol.asyncDispose]();
      await kept[Symbol.asyncDispose]();
      await running.catch(() => undefined);
      await handshake?.[Symbol.asyncDispose]();
      await feed[Symbol.asyncDispose]();
      // An image that is shown again after a restart is not new.
      if (feed.newestPrint !== undefined) judged.add([feed.newestPrint]);
      await judged[Symbol.asyncDispose]();
    },
  };
}
