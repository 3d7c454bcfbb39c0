/** Calibration of a running line: labels, training, versions, the shadow candidate, and heat maps. */
import sharp from 'sharp';
import { QcError } from '../../config/errors.ts';
import type { Config } from '../../config/schema.ts';
import { decodePicture } from '../../models/prepare/decode.ts';
import { requireInstalled } from '../../models/versions/pair.ts';
import type { Calibration, PromotionReasons } from '../calibration.ts';
import { estimateOf } from '../collect/estimate.ts';
import type { Candidate } from '../collect/queue.ts';
import { listBases } from '../compare/list.ts';
import { labelUsers } from '../dataset/label-change.ts';
import { marksView } from '../dataset/marks-view.ts';
import { readFrame } from '../dataset/read-frame.ts';
import { undoView } from '../dataset/undo-view.ts';
import { listCatalogue } from '../install/catalogue.ts';
import type { JobConfig } from '../jobs/messages.ts';
import { createStudies } from '../study/studies.ts';
import { marksWanted } from '../train/marks-wanted.ts';
import type { Report } from '../train/report.ts';
import { createComparing } from './comparing.ts';
import { createExplainer } from './explainer.ts';
import { createInstalling } from './installing.ts';
import { type LabelMetrics, openLabels, type PastResults } from './labels.ts';
import type { Log } from './log.ts';
import type { Observation, PublishedResult } from './observation.ts';
import { createShadow, type ShadowMetrics } from './shadow.ts';
import { createTrainingDesk, type StationTraining, type TrainingMetrics } from './training.ts';
import { createVersions, type LiveHead } from './versions.ts';

export interface StationCalibration extends Calibration, AsyncDisposable {
  /** Call for every judged part. */
  see(result: PublishedResult, seen: Observation): void;
}

export interface CalibrationMetrics extends LabelMetrics, ShadowMetrics, TrainingMetrics {
  readonly unfamiliarParts: { inc(labels: { readonly camera: string }): void };
  modelScore(version: string, report: Report): void;
}

/** The model of the line. */
export interface LiveModel extends LiveHead {
  /** Sets or removes the shadow version, whose results are not published. @throws QcError version-unknown, head-damaged */
  shadow(version: string | undefined): Promise<void>;
}

export interface CalibrationDeps {
  readonly log: Log;
  readonly metrics: CalibrationMetrics;
  readonly station: { readonly calibrating: boolean };
  readonly past: PastResults;
  readonly model: () => Promise<LiveModel>;
  /** The active version; undefined if there is none. */
  readonly active: () => string | undefined;
  /** If the active head was trained on another base and is not used: names both bases. */
  readonly misfit: () => string | undefined;
}

/** Number of newest versions whose figures are read at the start. */
const maxShown = 9;

/** Takes no lock and starts no process before someone labels, trains or requests a heat map. */
export function openCalibration(
  config: JobConfig & Pick<Config, 'recipes'>,
  deps: CalibrationDeps,
): StationCalibration {
  const { model, storage, training } = config;
  const { metrics, past } = deps;
  const log = deps.log.child({ component: 'calibration' });
  // One thread, to leave the processor to the line.
  const jobs: JobConfig = {
    model: { ...model, threads: 1 },
    get labels() {
      return config.labels;
    },
    get thresholds() {
      return config.thresholds;
    },
    storage,
    training,
  };
  const labels = openLabels(storage.directory, {
    get good() {
      return config.labels.good;
    },
    metrics,
    past,
    random: Math.random,
    minFreeBytes: storage.minFreeMb * 1e6,
    onNotice: (text) => log.warn(text),
  });
  const versions = createVersions(storage.directory, { log, model: deps.model });
  const trainings = createTrainingDesk(jobs, { log, metrics, onCandidate: showScore, promote });
  const comparing = createComparing(jobs, log, () => trainings.view.state === 'running');
  const installing = createInstalling(jobs, log);
  const explainer = createExplainer(jobs);
  const shadow = createShadow(metrics);
  /** Labels in the order of their number keys, which must not change while people label. */
  let names: readonly string[] = [...config.labels.good, ...(config.labels.defects ?? [])];

  async function showScore(version: string): Promise<void> {
    const report = await versions.report(version).catch(() => undefined);
    if (report) metrics.modelScore(version, report);
  }

  // The active version was made by an earlier run; recipes may name any version.
  void showScores().catch((error: Error) =>
    log.warn(`the figures of versions are not shown: ${error.message}`),
  );

  async function showScores(): Promise<void> {
    const all = await versions.list();
    for (const { version } of all.slice(0, maxShown).toReversed()) await showScore(version);
    const active = all.find((one) => one.active);
    if (active) await showScore(active.version);
  }

  async function promote(version: string, by: string, why: PromotionReasons = {}): Promise<void> {
    await versions.promote(version, by, why);
    await renewShadow(version);
    await showScore(version);
  }

  /** From now on the shadow version is compared with this one, which may have another base. */
  async function renewShadow(active: string): Promise<void> {
    const beside = shadow.view()?.version;
    if (beside === undefined) return;
    try {
      await setShadow(beside === active ? null : beside);
    } catch (error) {
      shadow.begin(null);
      log.warn(`version ${beside} no longer runs in shadow mode: ${(error as Error).message}`);
    }
  }

  async function setShadow(version: string | null): Promise<void> {
    await (await deps.model()).shadow(version ?? undefined);
    shadow.begin(version);
  }

  function startTraining(options: StationTraining, by: string): void {
    if (comparing.isRunning) {
      const remedy = 'wait until the comparison ends, or cancel it';
      throw new QcError('training-busy', 'bases are being compared', { remedy });
    }
    trainings.start(options, by);
  }

  async function image(id: string): Promise<Buffer> {
    const frame = (await labels.view()).frames.find((one) => one.id === id);
    if (!frame) throw new QcError('frame-unknown', `there is no frame ${id}`);
    try {
      return await readFrame(frame);
    } catch (cause) {
      throw new QcError('frame-unknown', `the image of frame ${id} cannot be read`, { cause });
    }
  }

  return {
    see(result, { frame, features, unfamiliar = false, shadow: said }) {
      if (unfamiliar) metrics.unfamiliarParts.inc({ camera: result.camera });
      const disputed = said !== undefined && shadow.see(result, said);
      if (!deps.station.calibrating || !frame || !features || result.state !== 'completed') return;
      const { resultId, camera, partId, capturedAt, verdict, label, probability, votes } = result;
      labels.offer({
        resultId,
        camera,
        partId,
        capturedAt,
        verdict,
        label,
        probability,
        votes,
        version: result.model.version,
        image: frame.image,
        features,
        unfamiliar,
        disputed,
      });
    },

    async overview(author) {
      const dataset = await labels.view();
      const all = await versions.list();
      const judging = all.find((one) => one.active);
      const active = judging?.version ?? null;
      // A label that was renamed is no longer offered, even if the active head knows it.
      const { good, defects = [] } = config.labels;
      const inUse = [...names, ...good, ...defects, ...(judging?.labels ?? []), ...dataset.counts.keys()];
      names = [...new Set(inUse)].filter((name) => good.includes(name) || !dataset.retired.has(name));
      const undo = undoView(dataset, author);
      return {
        calibrating: deps.station.calibrating,
        labels: names.map((name) => ({
          name,
          count: labels.counts.get(name) ?? 0,
          good: good.includes(name),
        })),
        revision: dataset.revision,
        frames: dataset.frames.length,
        waiting: labels.waiting,
        heldByOthers: labels.reservedForOthers(author),
        training: trainings.view,
        active,
        misfit: deps.misfit() ?? null,
        candidate: await versions.candidate(all),
        shadow: shadow.view(),
        estimate: estimateOf(dataset.frames, good, active ?? undefined),
        undo,
        undoable: undo?.words ?? null,
      };
    },
    async candidates(limit, holder) {
      const { kept, others } = labels.share(holder);
      const view = (held: boolean) => (one: Candidate) => {
        const { resultId, camera, partId, capturedAt, verdict, label, probability, why } = one;
        return { resultId, camera, partId, capturedAt, verdict, label, probability, why, held };
      };
      return [...kept.map(view(true)), ...others.map(view(false))].slice(0, limit);
    },
    leave: (holder) => labels.leave(holder),
    onAnswer: (listener) => labels.onAnswer(listener),
    async resultImage(resultId) {
      const { width, height, data } = await labels.imageOf(resultId);
      return sharp(data, { raw: { width, height, channels: 3 } })
        .png({ compressionLevel: 2 })
        .toBuffer();
    },
    label: (asked, author) => labels.label(asked, author),
    skip: async (resultId, author) => labels.skip(resultId, author),
    async frames({ label, after, limit }) {
      const { ids: marked } = await labels.annotations();
      const all = (await labels.newestFirst()).filter((one) => label === undefined || one.label === label);
      const from = after === undefined ? 0 : all.findIndex(({ id }) => id === after) + 1;
      const items = all.slice(from, from + limit).map((frame) => {
        const { id, label, labelledBy, labelledAt, camera, partId } = frame;
        return { id, label, labelledBy, labelledAt, camera, partId, marked: marked.has(id) };
      });
      const isMore = from + limit < all.length;
      return { items, total: all.length, next: isMore ? (items.at(-1)?.id ?? null) : null };
    },
    image,
    async marks(id) {
      if (!(await labels.view()).frames.some((frame) => frame.id === id))
        throw new QcError('frame-unknown', `there is no frame ${id}`);
      return marksView((await (await labels.annotations()).read(id))?.shapes ?? []);
    },
    async marksWanted() {
      for (const { version } of (await versions.list()).slice(0, maxShown)) {
        // Damaged versions, and those of earlier releases, have no report.
        const report = await versions.report(version).catch(() => undefined);
        if (!report) continue;
        const { frames } = await labels.view();
        const { ids } = await labels.annotations();
        return { version, frames: marksWanted(report.doubtful ?? [], frames, ids) };
      }
      return { version: null, frames: [] };
    },
    mark: async (id, marking, author) => ({ changed: await labels.mark(id, marking, author) }),
    relabel: (ids, label, author) => labels.relabel(ids, label, author),
    remove: (ids, author) => labels.remove(ids, author),
    async changeLabel(change, author, isDryRun) {
      const users = labelUsers(config, await versions.list());
      const done = await labels.changeLabel(change, users, author, isDryRun);
      if (!isDryRun && 'to' in change) {
        // The new name has the number key of the old one.
        const { label, to } = change;
        names = names.includes(to) ? names : names.map((name) => (name === label ? to : name));
      }
      if (!isDryRun) log.info({ ...change, by: author.by, frames: done.frames }, 'a label was changed');
      return { ...done, effects: [...done.effects], done: !isDryRun };
    },
    undo: (author, change) => labels.undo(author, change),
    doctor: () => trainings.examine(),
    async why(of, label) {
      const version = deps.active();
      if (version === undefined || version === 'none') {
        const remedy = 'label parts and start a training';
        throw new QcError('why-unavailable', 'no model has been trained yet', { remedy });
      }
      const shown =
        'frame' in of ? await decodePicture(await image(of.frame)) : await labels.imageOf(of.resultId);
      return explainer.explain(shown, version, label);
    },

    training: () => trainings.view,
    train: async (options, by) => startTraining(options, by),
    cancelTraining: async () => trainings.cancel(),

    bases: {
      list: () => listBases(model, storage.directory),
      comparing: () => comparing.view(),
      compare: async (request, by) => comparing.start(request, by),
      cancelComparison: async () => comparing.cancel(),
      catalogue: () => listCatalogue(storage.directory),
      installing: () => installing.view,
      pull: (request, by) => installing.pull(request, by),
      upload: (body, bytes, request, by) => installing.upload(body, bytes, request, by),
      cancelInstalling: async () => installing.cancel(),
      async switch({ base, promote }, by) {
        await requireInstalled(base, model, storage.directory);
        startTraining({ base, promote }, by);
      },
    },

    studies: createStudies(storage.directory, {
      good: () => config.labels.good,
      frames: async () => (await labels.view()).frames,
    }),

    versions: () => versions.list(),
    report: (version) => versions.report(version),
    promote,
    async rollback(by, asked) {
      const back = await versions.rollback(by, asked);
      await renewShadow(back.version);
      await showScore(back.version);
      return back;
    },
    shadow: setShadow,
    async discard(version, by) {
      await versions.discard(version, by);
      if (shadow.view()?.version === version) await setShadow(null);
    },

    async [Symbol.asyncDispose]() {
      await Promise.all(
        [trainings, comparing, installing, explainer, labels].map((one) => one[Symbol.asyncDispose]()),
      );
    },
  };
}
