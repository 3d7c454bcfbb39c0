/**
 * Calibration simulated in memory: generated parts, labels that are counted, and a training whose progress a test controls.
 */

import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ulid } from 'ulid';
import type { Calibration } from '../../calibration/calibration.ts';
import type { Mark } from '../../calibration/dataset/shapes.ts';
import type { Author } from '../../calibration/dataset/state.ts';
import { idle as idleJob } from '../../calibration/station/job-desk.ts';
import { createStudies } from '../../calibration/study/studies.ts';
import type { Report } from '../../calibration/train/report.ts';
import type {
  CandidateView,
  EstimateView,
  FramesPage,
  ShadowView,
  TrainingView,
  VersionView,
} from '../../calibration/views.ts';
import { QcError } from '../../config/errors.ts';
import { type BasesRig, createBasesRig } from './bases-desk.ts';
import { idOf, reportOf, versionOf } from './calibration-report.ts';
import { drawHeat, drawPart } from './drawn-part.ts';

type Frame = FramesPage['items'][number];
type Finding = Awaited<ReturnType<Calibration['doctor']>>[number];

/** Settings of a test and the recorded requests. */
interface Script {
  /** Labels in order of arrival. */
  readonly arrived: {
    readonly resultId: string;
    readonly label: string;
    readonly ifUnlabelled: boolean;
    readonly marks?: readonly Mark[];
  }[];
  /** All other requests as text, oldest first. */
  readonly asked: string[];
  /** Parts that wait for a label, the most useful first. */
  readonly waiting: CandidateView[];
  calibrating: boolean;
  findings: Finding[];
  estimate: EstimateView;
  shadowed: ShadowView | null;
  /** As `overview.misfit`. */
  misfit: string | null;
  gate: Report['gate'];
  /** Error of the next label. */
  failure: QcError | undefined;
  /** The result of a part that someone else labels first. */
  taken: string | undefined;
  /** Labelled frames, newest first. */
  labelled(): readonly Frame[];
  /** Marks on the frames. */
  readonly marked: Map<string, readonly Mark[]>;
  /** Frames whose defects should be marked, while they have no mark. */
  doubtful: string[];
  /** Adds parts from the line. */
  offer(count: number): void;
  /** Sets the progress of training. */
  advance(step: string, done: number, total: number): void;
  /** Ends training with a new candidate. */
  finish(): void;
}
export type CalibrationRig = Calibration & Script & { readonly bases: BasesRig };

const kinds = ['good', 'good', 'scratch', 'dent', 'good', 'stain'] as const;
const kindOf = (n: number) => kinds[n % kinds.length]!;
const unknownRate = { rate: 0, low: 0, high: 1, wrong: 0, of: 0 };
const idle: TrainingView = { ...idleJob, secondsLeft: null, version: null, notices: [] };

/**
 * @param labelled number of labelled frames at the start
 * @param offered number of parts that wait for a label
 * @param isNew without a model, and only good parts are labelled
 */
export function createCalibrationRig({
  labelled = 24,
  offered = 30,
  isNew = false,
  labels: more = [] as readonly string[],
} = {}): CalibrationRig {
  let training = idle;
  let frames = new Map<string, Frame>();
  let versions = isNew ? [] : [versionOf('2026-11-23.1', 0.93), versionOf('2026-11-22.1', 0.88)];
  let active: string | null = isNew ? null : '2026-11-23.1';
  const undoable: { readonly author: Author; readonly words: string; readonly back: () => void }[] = [];
  const lastOf = ({ by, client }: Author) =>
    undoable.findLast(({ author }) => author.by === by && author.client === client);
  const discarded = new Set<string>();
  const decisions: ({ readonly version: string } & VersionView['decisions'][number])[] = [];
  const decide = (
    version: string,
    by: string,
    action: VersionView['decisions'][number]['action'],
    reason: string | undefined,
  ) => decisions.push({ version, at: new Date().toISOString(), by, action, reason: reason || null });
  const partNumbers = new Map<string, number>();
  let parts = 0;

  const newFrame = (n: number, label: string, by: string): Frame => ({
    id: idOf(`part ${n}`),
    label,
    labelledBy: by,
    labelledAt: new Date(Date.UTC(2026, 10, 23, 18) + n * 60_000).toISOString(),
    camera: 'top',
    partId: `A-${n}`,
    marked: false,
  });
  const change = (
    author: Author,
    words: string,
    next: Map<string, Frame>,
    also: () => void = () => undefined,
  ) => {
    const before = frames;
    frames = next;
    undoable.push({
      author,
      words,
      back() {
        frames = before;
        also();
      },
    });
  };
  const refuseUnknown = (ids: readonly string[]) => {
    const unknown = ids.find((id) => !frames.has(id));
    if (unknown) throw new QcError('frame-unknown', `there is no frame ${unknown.slice(0, 12)}`);
  };
  const find = (version: string) => {
    const found = versions.find((one) => one.version === version);
    if (!found) throw new QcError('version-unknown', `there is no version ${version}`);
    return found;
  };
  const candidate = () => versions.find((one) => one.version > '2026-11-24' && !discarded.has(one.version));
  const pictureOf = (resultId: string) => {
    const n = partNumbers.get(resultId) ?? 0;
    return drawPart(n, kindOf(n));
  };
  const take = (resultId: string) => {
    const at = rig.waiting.findIndex((one) => one.resultId === resultId);
    return at < 0 ? undefined : rig.waiting.splice(at, 1)[0];
  };

  const script: Script = {
    arrived: [],
    asked: [],
    waiting: [],
    calibrating: true,
    findings: [],
    estimate: { escapes: unknownRate, falseRejects: unknownRate, corrections: 0 },
    shadowed: null,
    misfit: null,
    gate: {
      allowed: true,
      reason: 'of 61 parts it gets 3 right that 2026-11-23.1 gets wrong, and 1 wrong that it gets right',
    },
    failure: undefined,
    taken: undefined,
    marked: new Map(),
    doubtful: [],
    labelled: () => [...frames.values()].reverse(),
    offer(count) {
      for (let i = 0; i < count; i++) {
        const n = 1_000 + parts++;
        const resultId = ulid();
        partNumbers.set(resultId, n);
        const isSure = n % 4 === 3;
        rig.waiting.push({
          resultId,
          camera: 'top',
          partId: `A-${n}`,
          capturedAt: new Date().toISOString(),
          verdict: !isSure ? 'uncertain' : kindOf(n) === 'good' ? 'pass' : 'fail',
          label: kindOf(n),
          probability: isSure ? 0.94 : 0.52,
          held: true,
          why: isSure ? 'drawn at random, to measure how the line does' : 'the head is unsure what it is',
        });
      }
    },
    advance(step, done, total) {
      training = { ...training, step, done, total };
    },
    finish() {
      const version = `2026-11-24.${versions.length - 1}`;
      const { allowed, reason } = rig.gate;
      versions = [{ ...versionOf(version, 0.967), allowed, gate: reason }, ...versions];
      const notices = ['1 image cannot be read and was left out'];
      training = { ...training, state: 'done', version, notices };
    },
  };

  const rig: CalibrationRig = Object.assign(script, {
    bases: createBasesRig((what) => void script.asked.push(what)),
    // The real ones, of a station without parts.
    studies: createStudies(join(tmpdir(), 'qc-no-studies'), { good: () => ['good'], frames: async () => [] }),
    async overview(author) {
      const last = lastOf(author);
      const counts = new Map(['good', ...more].map((label) => [label, 0]));
      for (const { label } of frames.values()) counts.set(label, (counts.get(label) ?? 0) + 1);
      return {
        calibrating: rig.calibrating,
        labels: [...counts].map(([name, count]) => ({ name, count, good: name === 'good' })),
        revision: idOf(JSON.stringify([...frames.values()])),
        frames: frames.size,
        waiting: rig.waiting.length,
        heldByOthers: 0,
        training,
        active,
        misfit: rig.misfit,
        candidate: candidate()?.version ?? null,
        shadow: rig.shadowed,
        estimate: rig.estimate,
        undoable: last?.words ?? null,
        undo: last
          ? {
              change: undoable.indexOf(last) + 1,
              words: last.words,
              by: author.by,
              at: new Date().toISOString(),
              overtakenBy: null,
            }
          : null,
      };
    },
    candidates: async (limit) => rig.waiting.slice(0, limit),
    leave: () => undefined,
    onAnswer: () => ({ [Symbol.dispose]: () => undefined }),
    resultImage: async (resultId) => pictureOf(resultId),
    async label({ resultId, label, ifUnlabelled, marks }, author) {
      rig.arrived.push({ resultId, label, ifUnlabelled: ifUnlabelled === true, ...(marks && { marks }) });
      const { failure } = rig;
      rig.failure = undefined;
      if (failure) throw failure;
      if (resultId === rig.taken) {
        take(resultId);
        throw new QcError('candidate-gone', 'kim was quicker and labelled it dent');
      }
      const at = rig.waiting.findIndex((one) => one.resultId === resultId);
      const part = take(resultId);
      const frame = newFrame(partNumbers.get(resultId) ?? 0, label, author.by);
      const back = () => part && rig.waiting.splice(at, 0, part);
      change(author, `label ${label} of part ${frame.partId}`, new Map(frames).set(frame.id, frame), back);
      return { id: frame.id, outcome: part ? 'added' : 'relabelled' };
    },
    async skip(resultId) {
      rig.asked.push(`skip ${take(resultId)?.partId}`);
    },
    async frames({ label, after, limit }) {
      const fitting = rig.labelled().filter((one) => label === undefined || one.label === label);
      const from = Number(after ?? 0);
      const end = from + limit;
      return {
        items: fitting.slice(from, end),
        total: fitting.length,
        next: end < fitting.length ? String(end) : null,
      };
    },
    async image(id) {
      refuseUnknown([id]);
      const { partId, label } = frames.get(id)!;
      return drawPart(Number(partId?.slice(2)), label);
    },
    async marks(id) {
      refuseUnknown([id]);
      const { label } = frames.get(id)!;
      return { marks: (rig.marked.get(id) ?? []).map((one) => ({ ...one, label })), areas: [] };
    },
    marksWanted: async () => ({
      version: '2026-11-23.2',
      frames: rig.doubtful.flatMap((id) =>
        rig.marked.has(id) ? [] : { id, label: frames.get(id)!.label, said: 'good', probability: 0.31 },
      ),
    }),
    async mark(id, { marks }, author) {
      refuseUnknown([id]);
      const before = rig.marked.get(id) ?? [];
      rig.asked.push(`mark ${marks.map(({ kind }) => kind).join(' ') || 'nothing'}`);
      rig.marked.set(id, marks);
      const frame = { ...frames.get(id)!, marked: marks.length > 0 };
      change(author, `marks on part ${frame.partId}`, new Map(frames).set(id, frame), () =>
        rig.marked.set(id, before),
      );
      return { changed: true };
    },
    async relabel(ids, label, author) {
      refuseUnknown(ids);
      rig.asked.push(`relabel ${ids.length} as ${label}`);
      const next = new Map(frames);
      for (const id of ids) next.set(id, { ...frames.get(id)!, label, labelledBy: author.by });
      change(author, `${ids.length} frames relabelled ${label}`, next);
    },
    async remove(ids, author) {
      refuseUnknown(ids);
      rig.asked.push(`remove ${ids.length}`);
      const kept = new Map([...frames].filter(([id]) => !ids.includes(id)));
      change(author, `${ids.length} frames removed`, kept);
    },
    async changeLabel(asked, author, isDryRun) {
      const { kind, label } = asked;
      const to = asked.kind === 'delete' ? undefined : asked.to;
      const count = (name: string | undefined) => rig.labelled().filter((one) => one.label === name).length;
      const preview = {
        frames: count(label),
        others: count(to),
        effects: [`2026-11-23.1 still says "${label}".`],
      };
      if (preview.frames === 0) throw new QcError('label-unknown', `no frame has the label "${label}"`);
      if (kind === 'rename' && preview.others > 0) throw new QcError('label-exists', `"${to}" is in use`);
      if (isDryRun) return { done: false, ...preview };
      rig.asked.push(`${kind} ${label}${to === undefined ? '' : ` to ${to}`}`);
      const next = [...frames].flatMap(([id, frame]): [string, Frame][] => {
        if (frame.label !== label) return [[id, frame]];
        return to === undefined ? [] : [[id, { ...frame, label: to }]];
      });
      change(author, `${kind} ${label}`, new Map(next));
      return { done: true, ...preview };
    },
    async undo(author) {
      const last = lastOf(author);
      if (!last) throw new QcError('nothing-to-undo', 'you have made no change that can be undone');
      undoable.splice(undoable.indexOf(last), 1);
      last.back();
      rig.asked.push(`undo ${last.words}`);
      return { undone: last.words };
    },
    doctor: async () => rig.findings,
    async why(of) {
      const n =
        'resultId' in of
          ? (partNumbers.get(of.resultId) ?? 0)
          : Number(frames.get(of.frame)?.partId?.slice(2));
      return drawHeat(await drawPart(n, kindOf(n)), n);
    },
    training: () => training,
    async train(options, by) {
      if (training.state === 'running') throw new QcError('training-busy', `${training.by} trains already`);
      rig.asked.push(`train ${JSON.stringify(options)}`);
      training = {
        ...idle,
        state: 'running',
        step: 'reading the images',
        by,
        startedAt: new Date().toISOString(),
      };
    },
    async cancelTraining() {
      rig.asked.push('cancel');
      training = { ...training, state: 'cancelled' };
    },
    versions: async () => {
      const before = versions[versions.findIndex((one) => one.version === active) + 1]?.version;
      return versions.map((one) => ({
        ...one,
        active: one.version === active,
        isBefore: one.version === before,
        decisions: decisions.filter(({ version }) => version === one.version).toReversed(),
      }));
    },
    report: async (version) => reportOf(find(version), rig.labelled(), rig.gate),
    async promote(version, by, { override, reason }) {
      const { allowed, gate } = find(version);
      if (allowed === false && override === undefined) throw new QcError('gate-refused', gate ?? '');
      rig.asked.push(`promote ${version}${override === undefined ? '' : ` because ${override}`}`);
      const action = override === undefined ? ('promote' as const) : ('override' as const);
      decide(version, by, action, override ?? reason);
      discarded.add(version);
      active = version;
    },
    async rollback(by, { to, reason }) {
      const at = versions.findIndex((one) => one.version === active);
      const before = versions[at + 1];
      if (!before) throw new QcError('version-unknown', 'there is no version before');
      if (to !== undefined && to !== before.version)
        throw new QcError('rollback-moved', 'it is another one by now');
      rig.asked.push(`roll back to ${before.version}`);
      decide(before.version, by, 'rollback', reason);
      active = before.version;
      return { version: before.version };
    },
    async shadow(version) {
      rig.asked.push(`shadow ${version}`);
      rig.shadowed = version === null ? null : { version, judged: 0, disagreements: 0, newest: [] };
    },
    async discard(version) {
      rig.asked.push(`discard ${version}`);
      discarded.add(find(version).version);
    },
  } satisfies Calibration);

  for (let n = 1; n <= labelled; n++) {
    const frame = newFrame(n, isNew ? 'good' : kindOf(n), n % 5 === 0 ? 'kim' : 'operator');
    frames.set(frame.id, frame);
  }
  script.offer(offered);
  return rig;
}
