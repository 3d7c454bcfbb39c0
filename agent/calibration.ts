/** Calibration beside the running line: collects, labels, trains in a process of its own, and lets heads take over. */
import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import type { Calibration } from '../calibration/api.ts';
import { estimateOf } from '../calibration/collect/estimate.ts';
import { type Candidate, createQueue, type JudgedPart } from '../calibration/collect/queue.ts';
import type { DatasetView } from '../calibration/dataset/dataset.ts';
import { createDatasetDesk } from '../calibration/dataset/desk.ts';
import { type JobProcess, openJobProcess } from '../calibration/jobs/job-process.ts';
import type { JobConfig } from '../calibration/jobs/messages.ts';
import { reportSchema } from '../calibration/report.ts';
import type { CandidateView, TrainingView, VersionView } from '../calibration/views.ts';
import { QcError } from '../config/errors.ts';
import { readDecisions, recordDecision, requireAllowed } from '../models/decisions.ts';
import type { Image } from '../models/image.ts';
import { decodePicture } from '../models/picture.ts';
import { openStore } from '../models/store.ts';
import type { RecentStore } from './http/recent.ts';
import type { Seen } from './inspect.ts';
import type { Log } from './lifecycle/log.ts';
import type { LiveModel } from './live-model.ts';
import type { Metrics } from './metrics/metrics.ts';
import type { Result } from './publish/messages.ts';
import { createShadow } from './shadow.ts';

export interface StationCalibration extends Calibration, AsyncDisposable {
  /** A part was judged. */
  see(result: Result, seen: Seen): void;
}

export interface CalibrationDeps {
  readonly log: Log;
  readonly metrics: Metrics;
  readonly station: { readonly calibrating: boolean };
  readonly recent: Pick<RecentStore, 'result' | 'image'>;
  readonly model: () => Promise<LiveModel>;
  /** Which head judges now; undefined while none does. */
  readonly active: () => string | undefined;
  /** 0 ≤ x < 1 */
  readonly random?: () => number;
}

/** Labelled parts that are remembered by their result: for corrections, for "somebody was quicker", and for undo. */
const mostRemembered = 1_000;
/** Of these, so many can come back into the queue with their picture. */
const mostPictures = 30;
/** The process that explains is kept so long after the last question, ms. */
const whyKeptMs = 60_000;

interface Labelled {
  readonly id: string;
  readonly label: string;
  readonly by: string;
}

export function openCalibration(config: JobConfig, deps: CalibrationDeps): StationCalibration {
  const { metrics, recent, random = Math.random } = deps;
  const log = deps.log.child({ component: 'calibration' });
  const { directory } = config.storage;
  const { good } = config.labels;
  // Beside the line one thread is enough; without one, the command line uses all.
  const jobConfig: JobConfig = {
    model: { ...config.model, threads: 1 },
    labels: config.labels,
    thresholds: config.thresholds,
    storage: config.storage,
    training: config.training,
  };
  const desk = createDatasetDesk(directory, (text) => log.warn(text));
  const shadow = createShadow(metrics);
  let counts: ReadonlyMap<string, number> = new Map();
  const queue = createQueue({ random, countOf: (label) => counts.get(label) ?? 0 });
  metrics.watchCandidates(() => queue.size);
  /** Labels in the order of their number keys: a key that fingers know must not change its meaning. */
  const names = new Set(good);
  const labelled = new Map<string, Labelled>();
  let taken: Candidate[] = [];

  let training: TrainingView = idle;
  let stopTraining: AbortController | undefined;
  let explaining:
    | { readonly worker: JobProcess; end: NodeJS.Timeout | undefined; last: Promise<unknown> }
    | undefined;
  let examining: ReturnType<Calibration['doctor']> | undefined;
  const running = new Set<JobProcess>();

  async function view(): Promise<DatasetView> {
    const now = await desk.view();
    const byLabel = new Map<string, number>();
    for (const { label } of now.frames) byLabel.set(label, (byLabel.get(label) ?? 0) + 1);
    counts = byLabel;
    metrics.labelledFrames(byLabel);
    return now;
  }
  // The metrics and the queue know from the start what is labelled.
  const begun = view().catch((error: Error) => log.warn(`the dataset cannot be read: ${error.message}`));

  /** Works in a process of its own, which ends with the work. */
  async function inProcess<T>(work: (worker: JobProcess) => Promise<T>): Promise<T> {
    const worker = openJobProcess();
    running.add(worker);
    try {
      return await work(worker);
    } finally {
      running.delete(worker);
      await worker[Symbol.asyncDispose]();
    }
  }

  async function pictureOf(resultId: string): Promise<Image> {
    const image = queue.find(resultId)?.image ?? taken.find((one) => one.resultId === resultId)?.image;
    const kept = image ?? (await recent.image(resultId));
    if (!kept) {
      throw new QcError('label-unavailable', `the picture of result ${resultId} is not kept any more`);
    }
    return kept;
  }

  /** The frame that a result was labelled as, with the facts that stay with it. */
  async function addLabel(resultId: string, label: string, by: string) {
    const candidate = queue.find(resultId) ?? taken.find((one) => one.resultId === resultId);
    const result = recent.result(resultId);
    const image = await pictureOf(resultId);
    const from = candidate ?? (result && { ...result, version: result.model.version });
    return desk.write((dataset) =>
      dataset.add({
        image,
        label,
        by,
        ...(from && {
          // The numbers of parts may begin anew each day: with its time, no two parts are one.
          partId: `${from.camera} ${from.partId} ${from.capturedAt}`,
          camera: from.camera,
          capturedAt: from.capturedAt,
          judged: {
            verdict: from.verdict,
            label: from.label,
            version: from.version,
            drawn: candidate?.drawn ?? false,
          },
        }),
      }),
    );
  }

  function remember(resultId: string, known: Labelled): void {
    labelled.delete(resultId);
    labelled.set(resultId, known);
    for (const oldest of labelled.keys()) if (labelled.size > mostRemembered) labelled.delete(oldest);
    const candidate = queue.find(resultId);
    if (!candidate) return;
    taken = [candidate, ...taken].slice(0, mostPictures);
    queue.remove(resultId);
  }

  async function framePicture(id: string): Promise<Buffer> {
    const frame = (await view()).frames.find((one) => one.id === id);
    if (!frame) throw new QcError('frame-unknown', `there is no frame ${id}`);
    try {
      return await readFile(frame.file);
    } catch (cause) {
      throw new QcError('frame-unknown', `the picture of frame ${id} cannot be read`, { cause });
    }
  }

  async function explain(image: Image, label: string | undefined): Promise<Buffer> {
    const version = deps.active();
    if (version === undefined || version === 'none') {
      throw new QcError('why-unavailable', 'no head has been trained yet', {
        remedy: 'label parts and train',
      });
    }
    explaining ??= { worker: openJobProcess(), end: undefined, last: Promise.resolve() };
    const mine = explaining;
    clearTimeout(mine.end);
    const answer = mine.last
      .catch(() => undefined)
      .then(() => mine.worker.run('why', { config: jobConfig, image, version, label }));
    mine.last = answer;
    const end = () => {
      if (explaining === mine) explaining = undefined;
      void mine.worker[Symbol.asyncDispose]();
    };
    try {
      return Buffer.from(await answer);
    } catch (error) {
      if ((error as QcError).code === 'inference-stopped') end();
      throw error;
    } finally {
      clearTimeout(mine.end);
      if (explaining === mine) mine.end = setTimeout(end, whyKeptMs);
    }
  }

  async function versions(): Promise<VersionView[]> {
    const store = await openStore(directory);
    const listed = await store.list();
    return listed.toReversed().map((one): VersionView => {
      const { version, active } = one;
      if ('damage' in one) return { ...nothingKnown, version, active, damage: one.damage };
      const { createdAt, labels, training } = one.manifest;
      const number = (value: unknown) => (typeof value === 'number' ? value : null);
      return {
        ...nothingKnown,
        version,
        active,
        createdAt,
        labels,
        by: typeof training.by === 'string' ? training.by : null,
        frames: number(training.frames),
        accuracy: number(training.accuracy),
        allowed: typeof training.allowed === 'boolean' ? training.allowed : null,
        gate: typeof training.gate === 'string' ? training.gate : null,
      };
    });
  }

  /** The newest whole version that nobody has decided about, made after the active one. */
  async function candidate(all: readonly VersionView[]): Promise<string | null> {
    const [newest] = all;
    if (!newest || newest.active || newest.damage !== null) return null;
    const decided = (await readDecisions(directory)).some(({ version }) => version === newest.version);
    const before = await (await openStore(directory)).history().catch((): string[] => []);
    return decided || before.includes(newest.version) ? null : newest.version;
  }

  async function showScore(version: string): Promise<void> {
    const report = reportSchema.safeParse(await (await openStore(directory)).report(version));
    if (report.success) metrics.modelScore(version, report.data);
  }

  async function train(options: Parameters<Calibration['train']>[0], by: string): Promise<void> {
    const stop = new AbortController();
    stopTraining = stop;
    const { seed, ...asked } = options;
    const over = Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined));
    const startedAt = new Date();
    training = { ...idle, state: 'running', step: 'starting', by, startedAt: startedAt.toISOString() };
    log.info({ by }, 'training begins');
    try {
      const version = await inProcess((worker) =>
        worker.run(
          'train',
          { config: jobConfig, options: { by, seed, training: over } },
          {
            signal: stop.signal,
            onNotice(text) {
              log.warn(text);
              training = { ...training, notices: [...training.notices, text].slice(-20) };
            },
            onProgress(step, done, total) {
              if (step !== training.step) log.info(`training: ${step}, ${total} to do`);
              training = { ...training, step, done, total };
            },
          },
        ),
      );
      training = { ...training, state: 'done', step: 'done', version };
      log.info({ version }, 'training has made a candidate');
      await showScore(version);
    } catch (error) {
      const cancelled = stop.signal.aborted;
      const known = error instanceof QcError ? error : new QcError('internal', (error as Error).message);
      const { code, message, remedy } = known;
      training = cancelled
        ? { ...training, state: 'cancelled', step: 'cancelled' }
        : { ...training, state: 'failed', step: 'failed', error: { code, message, remedy } };
      if (cancelled) log.info('training was cancelled; nothing is changed');
      else log.warn(`training failed: ${known.line}`);
    } finally {
      stopTraining = undefined;
      metrics.trained(training.state, (Date.now() - startedAt.getTime()) / 1000);
    }
  }

  const calibration: StationCalibration = {
    see(result, { frame, features, unfamiliar = false, shadow: said }) {
      if (unfamiliar) metrics.unfamiliarParts.inc({ camera: result.camera });
      const disputed = said !== undefined && shadow.see(result, said);
      if (!deps.station.calibrating || !frame || !features || result.state !== 'completed') return;
      const { resultId, camera, partId, capturedAt, verdict, label, probability, votes, model } = result;
      const part: JudgedPart = {
        ...{ resultId, camera, partId, capturedAt, verdict, label, probability, votes },
        ...{ version: model.version, image: frame.image, features, unfamiliar, disputed },
      };
      queue.offer(part);
    },

    async overview() {
      const dataset = await view();
      const all = await versions();
      const judging = all.find((one) => one.active);
      const active = judging?.version ?? null;
      for (const name of [...(judging?.labels ?? []), ...counts.keys()]) names.add(name);
      const labels = [...names].map((name) => ({
        name,
        count: counts.get(name) ?? 0,
        good: good.includes(name),
      }));
      return {
        calibrating: deps.station.calibrating,
        labels,
        revision: dataset.revision,
        frames: dataset.frames.length,
        waiting: queue.size,
        training,
        active,
        candidate: await candidate(all),
        shadow: shadow.view(),
        estimate: estimateOf(dataset.frames, good, active ?? undefined),
        undoable: dataset.last ? inWords(dataset.last) : null,
      };
    },
    candidates: async (limit) =>
      queue
        .list()
        .slice(0, limit)
        .map(({ resultId, camera, partId, capturedAt, verdict, label, probability, why }): CandidateView => {
          return { resultId, camera, partId, capturedAt, verdict, label, probability, why };
        }),
    async resultPicture(resultId) {
      const { width, height, data } = await pictureOf(resultId);
      return sharp(data, { raw: { width, height, channels: 3 } })
        .png({ compressionLevel: 2 })
        .toBuffer();
    },
    async label({ resultId, label, ifUnlabelled }, by) {
      const known = labelled.get(resultId);
      if (known && ifUnlabelled) {
        throw new QcError('candidate-gone', `${known.by} has labelled this part ${known.label}`);
      }
      const said = queue.find(resultId)?.label ?? recent.result(resultId)?.label;
      const before = known?.label ?? said;
      const stored =
        known && (await view()).frames.some(({ id }) => id === known.id)
          ? await desk.write(async (dataset) => {
              const same = dataset.frames.find(({ id }) => id === known.id)?.label === label;
              if (!same) await dataset.relabel([known.id], label, by);
              return { id: known.id, outcome: same ? ('same' as const) : ('relabelled' as const) };
            })
          : await addLabel(resultId, label, by);
      const kept = (await view()).frames.find(({ id }) => id === stored.id)?.label ?? label;
      remember(resultId, { id: stored.id, label: kept, by });
      if (before !== undefined && before !== kept) metrics.corrected(before ?? 'none', kept);
      return stored;
    },
    async skip(resultId) {
      queue.remove(resultId);
    },
    async frames({ label, after, limit }) {
      const all = (await view()).frames
        .filter((frame) => label === undefined || frame.label === label)
        .toSorted((a, b) => (a.labelledAt < b.labelledAt ? 1 : a.labelledAt > b.labelledAt ? -1 : 0));
      const from = after === undefined ? 0 : all.findIndex(({ id }) => id === after) + 1;
      const items = all
        .slice(from, from + limit)
        .map(({ id, label, labelledBy, labelledAt, camera, partId }) => {
          return { id, label, labelledBy, labelledAt, camera, partId };
        });
      return {
        items,
        total: all.length,
        next: from + limit < all.length ? (items.at(-1)?.id ?? null) : null,
      };
    },
    picture: framePicture,
    async relabel(ids, label, by) {
      await desk.write(async (dataset) => {
        const before = new Map(dataset.frames.map((frame) => [frame.id, frame.label]));
        await dataset.relabel(ids, label, by);
        for (const id of ids) {
          const was = before.get(id);
          if (was !== undefined && was !== label) metrics.corrected(was, label);
        }
      });
      await view();
    },
    async remove(ids, by) {
      await desk.write((dataset) => dataset.remove(ids, by));
      await view();
    },
    async undo(by) {
      const undone = await desk.write((dataset) => dataset.undo(by));
      if (!undone) throw new QcError('nothing-to-undo', 'there is no change that could be taken back');
      const { frames } = await view();
      for (const [resultId, { id }] of labelled) {
        if (frames.some((frame) => frame.id === id)) continue;
        labelled.delete(resultId);
        const back = taken.find((one) => one.resultId === resultId);
        taken = taken.filter((one) => one !== back);
        if (back) queue.putBack(back);
      }
      return { undone: inWords(undone) };
    },
    async doctor() {
      // Several pages may ask at once: one examination answers them all.
      examining ??= inProcess((worker) =>
        worker.run('doctor', { config: jobConfig }, { onNotice: (text) => log.warn(text) }),
      ).finally(() => {
        examining = undefined;
      });
      return await examining;
    },
    async why(of, label) {
      const image =
        'frame' in of ? await decodePicture(await framePicture(of.frame)) : await pictureOf(of.resultId);
      return explain(image, label);
    },

    training: () => training,
    async train(options, by) {
      if (training.state === 'running') {
        throw new QcError('training-busy', `${training.by ?? 'somebody'} is training already`);
      }
      void train(options, by);
    },
    async cancelTraining() {
      stopTraining?.abort(new Error('cancelled'));
    },

    versions,
    async report(version) {
      const report = reportSchema.safeParse(await (await openStore(directory)).report(version));
      if (report.success) return report.data;
      throw new QcError('version-unknown', `version ${version} has no report`);
    },
    async promote(version, override, by) {
      const store = await openStore(directory);
      const { manifest } = await store.read(version);
      const active = await store.active().catch(() => undefined);
      if (override === undefined)
        requireAllowed(manifest, active, await store.history().catch((): string[] => []));
      await (await deps.model()).promote(version);
      await recordDecision(directory, {
        by,
        version,
        action: override === undefined ? 'promote' : 'override',
        ...(override !== undefined && { reason: override }),
      });
      log.info({ version, by, override }, 'a head was promoted');
      if (shadow.view()?.version === version) await calibration.shadow(null);
      await showScore(version);
    },
    async rollback(by) {
      await (await deps.model()).rollback();
      const version = (await (await openStore(directory)).active()) ?? 'none';
      await recordDecision(directory, { by, version, action: 'rollback' });
      log.info({ version, by }, 'rolled back');
      return { version };
    },
    async shadow(version) {
      await (await deps.model()).shadow(version ?? undefined);
      shadow.begin(version);
    },
    async discard(version) {
      await (await openStore(directory)).read(version);
      await recordDecision(directory, { by: 'operator', version, action: 'discard' });
      if (shadow.view()?.version === version) await calibration.shadow(null);
    },

    async [Symbol.asyncDispose]() {
      stopTraining?.abort(new Error('the agent stops'));
      clearTimeout(explaining?.end);
      const workers = [...running, ...(explaining ? [explaining.worker] : [])];
      await Promise.all(workers.map((worker) => worker[Symbol.asyncDispose]()));
      await begun;
      await desk[Symbol.asyncDispose]();
    },
  };
  return calibration;
}

const idle: TrainingView = {
  state: 'idle',
  step: '',
  done: 0,
  total: 0,
  startedAt: null,
  by: null,
  error: null,
  version: null,
  notices: [],
};
const nothingKnown: VersionView = {
  version: '',
  active: false,
  createdAt: null,
  by: null,
  labels: [],
  frames: null,
  accuracy: null,
  allowed: null,
  gate: null,
  damage: null,
};

/** A change of the dataset as an operator would say it. */
function inWords(change: NonNullable<DatasetView['last']>): string {
  if (change.kind === 'label') return `label ${change.label}`;
  const parts = change.ids.length === 1 ? 'one part' : `${change.ids.length} parts`;
  return change.kind === 'remove' ? `removing ${parts}` : `relabelling ${parts} as ${change.label}`;
}
