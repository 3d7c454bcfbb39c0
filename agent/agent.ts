/** The parts list: opens everything in order, closes it in reverse. */

import { openCalibration } from '../calibration/station/calibration.ts';
import { readCalibrating, saveCalibrating } from '../calibration/station/mode.ts';
import type { Config } from '../config/schema.ts';
import { monotonicMs } from '../models/run/monotonic.ts';
import { openAudit } from './audit/audit.ts';
import { commandRecorder } from './audit/record-commands.ts';
import { createControl } from './control.ts';
import { createDriftWatch } from './drift/watch.ts';
import { openEvidence } from './evidence/evidence.ts';
import { createResultHistory } from './evidence/result-history.ts';
import { openHttp } from './http/http.ts';
import { createRecent } from './http/recent.ts';
import { type Inspection, openInspection, resultOfJob } from './inspections.ts';
import { Closer } from './lifecycle/closer.ts';
import { openDataDirectoryInTime } from './lifecycle/data-directory.ts';
import { Liveness } from './lifecycle/liveness.ts';
import type { Log } from './lifecycle/log.ts';
import { type LiveModel, openLiveModel } from './live-model.ts';
import { createMetrics } from './metrics/metrics.ts';
import {
  cameraObserver,
  handshakeObserver,
  publisherObserver,
  sparkplugObserver,
} from './metrics/observers.ts';
import { type OutboxConfig, openOutbox } from './publish/outbox/open.ts';
import type { OutboxStore } from './publish/outbox/outbox.ts';
import { lettersOf, openMqttOutbox } from './publish/part-messages.ts';
import { openPublisher, type Publisher } from './publish/publisher.ts';
import { openSparkplug, type Sparkplug, sparkplugOptions } from './publish/sparkplug/sparkplug.ts';
import { openBook } from './recipes/book.ts';
import { openRecipes } from './recipes/recipes.ts';
import { Station } from './station.ts';

export interface AgentDeps {
  readonly log: Log;
  /** Version of the agent. */
  readonly version: string;
}

/** Work that takes longer hangs, ms: judging one picture, and storing a result. */
const judgingMs = 30_000;
const storingMs = 60_000;
/** How long the model may be out of order: TensorRT builds its engine for minutes when its thread starts again, ms. */
const modelFaultMs = 600_000;

export interface Agent extends AsyncDisposable {
  /** Where the page, the API and the metrics are. */
  readonly url: string;
  readonly station: Station;
  /** Whether its work goes on, for a watchdog. */
  readonly liveness: Liveness;
  /** Rejects when an inspection cannot go on; never resolves. */
  readonly failed: Promise<never>;
}

/**
 * Opens the whole agent. Cameras or a broker that are away are no errors: they are shown and retried.
 * Closing gives every part that was begun its result, delivers what it can, and says goodbye to the broker.
 * @throws QcError where the data is another agent's, the model is missing or damaged or the port is taken; what was
 * opened is closed again
 */
export async function openAgent(config: Config, { log, version }: AgentDeps): Promise<Agent> {
  await using opened = new Closer();
  const inspections = new Map<string, Inspection>();
  let model: LiveModel | undefined;
  let publisher: Publisher | undefined;
  let sparkplug: Sparkplug | undefined;
  let stored: OutboxStore | undefined;

  const metrics = createMetrics({ version });
  metrics.unitCosts(config.training.costs);
  metrics.watchStorage(config.storage.directory);
  const recent = createRecent();
  const station = new Station({
    version,
    recipe: () => recipes.active,
    cameras: () => [...inspections.values()].map(({ feed }) => feed),
    outbox: () => stored?.fault ?? '',
    broker: () => publisher ?? { connected: false, reason: 'not connected yet' },
    model: () => model && { version: model.info.version, fault: model.fault, notice: model.notice },
  });
  const liveness = new Liveness();
  const judging = liveness.job('the inference', judgingMs, () => model?.fault !== undefined);
  const storing = liveness.job('the storing of a result', storingMs);
  liveness.fault('the model', modelFaultMs, () => model?.fault);
  const changed = () => station.changed();
  const storage = opened.use(
    await openDataDirectoryInTime(config.storage.directory, version, {
      onFault(text) {
        if (text) log.warn(text);
        else log.info('storage: the directory is in use again');
        station.notice('storage', text);
      },
    }),
  );
  const book = openBook(config);
  const recipes = await openRecipes(book, {
    log,
    storageDirectory: config.storage.directory,
    cameras: inspections,
    model: () => loading,
    onChange() {
      model?.recipeChanged();
      changed();
    },
  });
  station.onChange(() => {
    metrics.stationState(station.state);
    metrics.modelUp.set(model && !model.fault ? 1 : 0);
  });
  station.onChange(() => {
    metrics.recipeInForce.reset();
    metrics.recipeInForce.set({ recipe: recipes.active }, 1);
  });
  station.onChange(() => {
    publisher?.statusChanged();
    publisher?.handshakesChanged();
  });
  const handshakes = () => [...inspections.values()].flatMap(({ handshake }) => handshake?.view ?? []);
  station.onChange(() => sparkplug?.changed());

  // The model loads while cameras and broker connect.
  const loading = openLiveModel(config, {
    log,
    metrics,
    recipes,
    onChange: changed,
    onServer: (text) => station.notice('inference server', text),
  });
  // It may fail before anybody waits for it; whoever does is told then.
  loading.catch(() => undefined);
  opened.defer(async () => (await loading.catch(() => undefined))?.[Symbol.asyncDispose]());

  const audit = opened.use(
    await openAudit(config.storage, { log, onFault: (text) => station.notice('audit', text) }),
  );
  const outbox = opened.use(await openOutbox(outboxConfig(config), { log, onFault: changed }));
  stored = outbox;
  const mqttOutbox = openMqttOutbox(outbox);
  metrics.watchOutbox(() => outbox);
  const evidence = opened.use(
    openEvidence(config.storage, { log, metrics, onNotice: (text) => station.notice('evidence', text) }),
  );
  const past = createResultHistory(recent, evidence);
  const calibration = opened.use(
    openCalibration(config, {
      log,
      metrics,
      station,
      past,
      model: () => loading,
      active: () => model?.info.version,
      misfit: () => model?.misfit,
    }),
  );
  const drift = createDriftWatch(config.storage.directory, { log, metrics });
  station.calibrating = await readCalibrating(config.storage.directory, log);
  const control = createControl({
    ...{ station, inspections, model: loading, calibration, recipes },
    saveMode: (calibrating) =>
      saveCalibrating(config.storage.directory, calibrating).then(
        () => station.notice('mode', ''),
        (error: Error) => station.notice('mode', `the mode will not survive a restart: ${error.message}`),
      ),
  });

  const http = opened.use(
    await openHttp(config.http, {
      station: config.station,
      log,
      metrics,
      recent,
      past,
      evidence,
      commands: control,
      calibration,
      recipes: () => recipes.list(),
      handshakes,
      job: (jobId, waitMs) => resultOfJob(inspections.values(), jobId, waitMs),
      status: () => station.status,
      readiness: () => station.checks,
      hang: () => liveness.hang(),
      cameras: () => [...inspections.values()].map((inspection) => inspection.view),
      classify: async (image) => (await loading).classify(image),
      watch: (on) => inspections.forEach(({ feed }) => void feed.watch(on)),
      audit,
      onNotice: (what, text) => station.notice(`http ${what}`, text),
    }),
  );
  publisher = opened.use(
    await openPublisher(config.mqtt, {
      log,
      outbox: mqttOutbox,
      commands: control,
      recorder: commandRecorder(audit, config.mqtt.topic),
      status: () => station.status,
      handshakes,
      needsCommands: Object.values(config.cameras).some(({ trigger }) => trigger.kind === 'command'),
      observer: publisherObserver(metrics, changed, (text) => station.notice('mqtt', text)),
    }),
  );
  const edgeNode = sparkplugOptions(config);
  if (edgeNode) {
    sparkplug = opened.use(
      await openSparkplug(edgeNode, {
        log,
        store: outbox,
        up: (camera) => inspections.get(camera)?.feed.up === true,
        facts: () => ({
          station: config.station,
          status: station.status,
          recipe: recipes.active,
          model: model?.info,
        }),
        observer: sparkplugObserver(metrics, edgeNode, (text) =>
          station.notice('sparkplug', text && `Sparkplug: ${text}`),
        ),
      }),
    );
  }
  for (const [camera, cameraConfig] of Object.entries(config.cameras)) {
    const inspection = await openInspection(camera, cameraConfig, {
      log,
      observer: cameraObserver(metrics, changed),
      onNotice: (text) => station.notice(`parts of ${camera}`, text),
      recipe: () => recipes.active,
      region: (recipe) => book.region(recipe, camera),
      handshake: {
        storageDirectory: config.storage.directory,
        observer: handshakeObserver(metrics),
        obstacle: () => station.obstacle,
        onChange: () => publisher?.handshakesChanged(),
        onNotice: (text) => station.notice(`handshake of ${camera}`, text),
      },
    });
    inspections.set(camera, opened.use(inspection));
    metrics.watchCamera(camera, () => inspection.feed);
    const { feed } = inspection;
    liveness.loop(`the reading of camera ${camera}`, feed.turnsWithinMs, () => feed.turnedAt);
  }

  const live = await loading;
  await recipes.loadHeads();
  model = live;
  changed();
  const running = [...inspections].map(([camera, inspection]) =>
    inspection.run({
      after: outbox.newestSequence(camera),
      depth: Math.ceil(live.busyWith / inspections.size),
      judge: (image, recipe) => judging(() => live.judge(image, recipe, camera)),
      rules: (version, recipe) => live.rules(version, recipe),
      facts: () => ({ station: config.station, model: live.info, calibration: station.calibrating }),
      keep(result, frame) {
        const startedAt = monotonicMs();
        const path = evidence.keep(result, frame?.image);
        metrics.evidenceTaken(monotonicMs() - startedAt);
        return path;
      },
      async publish(result) {
        const putAt = monotonicMs();
        const letters = lettersOf(result, mqttOutbox);
        if (sparkplug) letters.push(sparkplug.letter(result));
        await storing(() => outbox.put(letters, result));
        metrics.partStored(result, putAt);
      },
      count(result) {
        metrics.partInspected(result);
        metrics.partTimed(result);
      },
      show(result, seen) {
        recent.add(result, seen.frame);
        calibration.see(result, seen);
        drift.see(result, seen);
      },
    }),
  );
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

function outboxConfig({ mqtt, storage }: Config): OutboxConfig {
  return {
    directory: storage.directory,
    messages: mqtt.outboxMessages,
    bytes: storage.outboxMb * 1e6,
    ageMs: storage.outboxHours * 3_600_000,
  };
}
