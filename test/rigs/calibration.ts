/** Calibration played from memory: drawn parts, labels that count, training that goes on when it is told to. */
import { createHash } from 'node:crypto';
import sharp from 'sharp';
import { ulid } from 'ulid';
import type { Calibration } from '../../calibration/calibration.ts';
import type { Mark } from '../../calibration/dataset/shapes.ts';
import type { Author } from '../../calibration/dataset/state.ts';
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

type Frame = FramesPage['items'][number];
type Finding = Awaited<ReturnType<Calibration['doctor']>>[number];

/** What a test says beforehand, and looks at afterwards. */
interface Script {
  /** Labels as they arrived, oldest first. */
  readonly arrived: {
    readonly resultId: string;
    readonly label: string;
    readonly ifUnlabelled: boolean;
    readonly marks?: readonly Mark[];
  }[];
  /** Everything else that was asked for, in words, oldest first. */
  readonly asked: string[];
  /** Parts that wait for a label, the most instructive first. */
  readonly waiting: CandidateView[];
  calibrating: boolean;
  findings: Finding[];
  estimate: EstimateView;
  shadowed: ShadowView | null;
  /** As `overview.misfit`. */
  misfit: string | null;
  gate: Report['gate'];
  /** What the next label fails with. */
  failure: QcError | undefined;
  /** The result of a part that somebody else labels first. */
  taken: string | undefined;
  /** Labelled frames, newest first. */
  labelled(): readonly Frame[];
  /** What is marked on the frames. */
  readonly marked: Map<string, readonly Mark[]>;
  /** Frames whose defects are to be marked, as long as they have no mark. */
  doubtful: string[];
  /** More parts come from the line. */
  offer(count: number): void;
  /** Training comes so far. */
  advance(step: string, done: number, total: number): void;
  /** Training ends with a new candidate. */
  finish(): void;
}
export type CalibrationRig = Calibration & Script;

const kinds = ['good', 'good', 'scratch', 'dent', 'good', 'stain'] as const;
const kindOf = (n: number) => kinds[n % kinds.length]!;
const idOf = (text: string) => createHash('sha256').update(text).digest('hex');
const unknownRate = { rate: 0, low: 0, high: 1, wrong: 0, of: 0 };
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

/**
 * @param labelled how many frames there are to begin with
 * @param offered how many parts wait for a label
 * @param isNew nothing was trained yet, and only good parts are labelled
 */
export function createCalibrationRig({ labelled = 24, offered = 30, isNew = false } = {}): CalibrationRig {
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
    async overview(author) {
      const last = lastOf(author);
      const counts = new Map([['good', 0]]);
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

function versionOf(version: string, accuracy: number): VersionView {
  return {
    version,
    active: false,
    createdAt: `${version.slice(0, 10)}T17:30:00.000Z`,
    by: 'operator',
    labels: ['good', 'scratch', 'dent', 'stain'],
    frames: 61,
    accuracy,
    allowed: true,
    gate: 'it is significantly better than guessing',
    damage: null,
    isBefore: false,
    decisions: [],
  };
}

function reportOf(
  { version, accuracy }: VersionView,
  frames: readonly Frame[],
  gate: Report['gate'],
): Report {
  const labels = ['good', 'scratch', 'dent', 'stain'];
  const confusion = [
    [28, 0, 1, 0],
    [1, 12, 0, 0],
    [0, 0, 10, 0],
    [0, 0, 0, 9],
  ];
  const sum = (row: readonly number[]) => row.reduce((all, count) => all + count, 0);
  const perLabel = labels.map((label, k) => {
    const hit = confusion[k]![k]!;
    const recall = hit / sum(confusion[k]!);
    const precision = hit / sum(confusion.map((row) => row[k]!));
    return {
      label,
      precision,
      recall,
      f1: (2 * precision * recall) / (precision + recall),
      count: sum(confusion[k]!),
    };
  });
  return {
    labels,
    confusion,
    perLabel,
    accuracy: accuracy ?? 0,
    macroF1: 0.965,
    escapes: { rate: 1 / 32, low: 0.0008, high: 0.0779, wrong: 1, of: 32 },
    falseRejects: { rate: 0, low: 0, high: 0.098, wrong: 0, of: 29 },
    uncertain: { rate: 4 / 61, low: 0.018, high: 0.16, wrong: 4, of: 61 },
    revision: idOf(version),
    frames: 61,
    counts: { good: 29, scratch: 13, dent: 10, stain: 9 },
    folds: 5,
    seed: 1,
    views: 'flips',
    augment: [],
    hidden: 0,
    penalty: 0.1,
    temperature: 1.2,
    backend: 'ridge',
    thresholds: { pass: 0.8, fail: 0.7 },
    promised: false,
    promise: [
      {
        kept: false,
        text: '32 labelled bad parts are not enough to show that at most 5 % pass: at least 13 more are needed',
      },
      {
        kept: false,
        text: '29 labelled good parts are not enough to show that at most 5 % fail: at least 16 more are needed',
      },
    ],
    checks: [
      {
        name: 'negative-transfer',
        ok: true,
        sentence: 'the base model helps: 96.7 % correct, 71.0 % from brightness, colour and edges alone',
      },
      {
        name: 'over-fitting',
        ok: true,
        sentence: 'it works on new parts: 96.7 % correct, 100.0 % on the parts it was trained on',
      },
      {
        name: 'forgetting',
        ok: false,
        sentence:
          'it has forgotten parts: 85.0 % correct on the 40 parts labelled before the active version, which has 93.0 %',
      },
    ],
    active: { version: '2026-11-23.1', accuracy: 0.93 },
    errorReduction: { active: 0.53, commonest: 0.93 },
    gate,
    worst: frames.slice(0, 2).map(({ id, label }) => ({
      id,
      label,
      said: label === 'good' ? 'dent' : 'good',
      probability: 0.97,
    })),
    learning: learningCurve,
    seconds: { features: 11, training: 3 },
  };
}

/** As `qc-agent train` has reported it for parts of four labels. */
const learningCurve: NonNullable<Report['learning']> = {
  state: 'gains',
  sentence:
    '20 more labels per class would gain about 2 points (0.9 to 4); most for stain, of which about 5 points more would be found',
  now: 12.8,
  points: [
    { labels: 2.6, accuracy: 0.79, deviation: 0.04, balancedError: 0.23, escapeRate: 0.07 },
    { labels: 4.1, accuracy: 0.87, deviation: 0.03, balancedError: 0.15, escapeRate: 0.05 },
    { labels: 6.5, accuracy: 0.91, deviation: 0.03, balancedError: 0.1, escapeRate: 0.04 },
    { labels: 10.2, accuracy: 0.945, deviation: 0.025, balancedError: 0.06, escapeRate: 0.031 },
  ],
  curve: [2.6, 4, 6, 9, 13, 20, 33].map((labels) => ({
    labels,
    accuracy: 1 - 0.21 * (labels / 2.6) ** -0.95,
    low: 1 - 0.21 * (labels / 2.6) ** -0.95 - 0.02,
    high: Math.min(1, 1 - 0.21 * (labels / 2.6) ** -0.95 + 0.02),
  })),
  expected: [
    {
      more: 10,
      accuracy: { value: 0.017, low: 0.006, high: 0.029 },
      balancedError: { value: 0.018, low: 0.006, high: 0.03 },
      escapes: { value: 0.01, low: 0, high: 0.02 },
    },
    {
      more: 20,
      accuracy: { value: 0.024, low: 0.009, high: 0.041 },
      balancedError: { value: 0.025, low: 0.009, high: 0.042 },
      escapes: { value: 0.014, low: 0, high: 0.028 },
    },
  ],
  byLabel: [
    { label: 'stain', more: 20, recall: { value: 0.05, low: 0.02, high: 0.08 } },
    { label: 'dent', more: 20, recall: { value: 0.02, low: 0, high: 0.04 } },
    { label: 'scratch', more: 20, recall: { value: 0.012, low: 0, high: 0.03 } },
    { label: 'good', more: 20, recall: { value: 0.004, low: 0, high: 0.01 } },
  ],
};

const marks: Readonly<Record<string, string>> = {
  scratch: '<path d="M120 70l70 92l-16 30" stroke="#2a2420" stroke-width="5" fill="none"/>',
  dent: '<ellipse cx="215" cy="95" rx="24" ry="15" fill="#6d757c" stroke="#4b5157" stroke-width="4"/>',
  stain: '<ellipse cx="95" cy="195" rx="26" ry="18" fill="#6b4a22" opacity=".75"/>',
};

/** A metal part with a bore; no two are alike. */
function drawPart(n: number, kind: string): Promise<Buffer> {
  const turn = (n * 37) % 360;
  return sharp(
    Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg" width="300" height="260">
      <defs><linearGradient id="m" x1="0" x2="1" y1="0" y2="1"><stop offset="0" stop-color="#c9cfd4"/><stop
        offset=".5" stop-color="#8d959c"/><stop offset="1" stop-color="#b8bec4"/></linearGradient></defs>
      <rect width="300" height="260" fill="#3a4148"/>
      <rect x="55" y="35" width="190" height="190" rx="20" fill="url(#m)" stroke="#5b6269" stroke-width="3"/>
      <circle cx="150" cy="130" r="34" fill="#565d64"/>
      <g transform="rotate(${turn} 150 130)"><circle cx="150" cy="72" r="7" fill="#4a5056"/></g>
      ${marks[kind] ?? ''}</svg>`),
  )
    .png()
    .toBuffer();
}

function drawHeat(part: Buffer, n: number): Promise<Buffer> {
  const glow = `<svg xmlns="http://www.w3.org/2000/svg" width="300" height="260"><defs><radialGradient id="g"><stop
    offset="0" stop-color="#ff3b00" stop-opacity=".9"/><stop offset="1" stop-color="#0030ff"
    stop-opacity=".35"/></radialGradient></defs><rect width="300" height="260" fill="#0030ff" opacity=".35"/>
    <circle cx="${120 + (n % 60)}" cy="130" r="90" fill="url(#g)"/></svg>`;
  return sharp(part)
    .composite([{ input: Buffer.from(glow) }])
    .png()
    .toBuffer();
}
