/**
 * The inspection, top to bottom: a frame becomes a part, a part becomes a verdict,
 * a verdict is published and counted. Details are one import away.
 */
import { QcError } from '../config/errors.ts';
import type { Frame, Image } from '../models/image.ts';
import type { RunTimes } from '../models/run/messages.ts';
import { monotonicMs } from '../models/run/monotonic.ts';
import type { Judgement } from '../models/run/session.ts';
import { type Decision, decide, failed, isUnfamiliar, type Rules, withhold } from '../models/verdict.ts';
import { locate, type Place } from '../models/where.ts';
import { whereMapViewOf } from './evidence/coarse-map.ts';
import type { WhereMapView } from './evidence/where-view.ts';
import { composeResult, type Facts, type ResultParts } from './publish/compose.ts';
import type { ChallengeMark, Result } from './publish/messages.ts';
import { type PartTimes, timingsOf } from './timings.ts';

/** A part, which is judged exactly once. */
export interface Part {
  readonly partId: string;
  readonly jobId: string;
  readonly recipe: string;
  /** The frames that vote, in order of capture; may be empty if the part failed. */
  readonly frames: readonly Frame[];
  /** When the trigger had all its frames, by `monotonicMs`. */
  readonly foundAt: number;
  /** Why the part cannot be judged (the camera died while it was in view): the result is `failed`. */
  readonly failure?: string;
  /** Why it must not pass regardless of the model's output. */
  readonly doubt?: string;
  /** Aborts with a QcError as the reason when the part must get a result without further judging. */
  readonly until?: AbortSignal | undefined;
}

/** The source of parts: continuous, presence or command. */
export interface Parts {
  /** The next part; rejects when the signal aborts, or after close when no parts are left. */
  next(signal: AbortSignal): Promise<Part>;
}

/** The model's output for one image, as needed to judge a part. */
export interface ImageJudgement extends Omit<Judgement, 'batch' | 'ranOn'> {
  /** What ran the base for it; default: as in the facts. */
  readonly ranOn?: Judgement['ranOn'];
  /** Name of the base; absent: what the facts say. */
  readonly base?: string;
}

/** Inputs of a result. */
export interface Observation {
  /** A judged frame, if there is one. */
  readonly frame: Frame | undefined;
  /** [D], features of that frame; undefined if no frame was judged. */
  readonly features?: Float32Array | undefined;
  /** Deviation of each place of that frame from ordinary places; undefined if the head cannot locate defects. */
  readonly map?: WhereMapView | undefined;
  /** Whether the part is unlike every labelled one. */
  readonly unfamiliar?: boolean | undefined;
  /** Decision of the shadow candidate. */
  readonly shadow?: { readonly version: string; readonly decision: Decision } | undefined;
}

/** What judging a part of a challenge test led to. */
export interface Judged {
  readonly state: Result['state'];
  readonly decision: Decision;
  /** Why the images may not show the part; empty if they do. */
  readonly doubts: readonly string[];
}

/** A part of a challenge test: known to be good or bad. */
export interface KnownPart {
  /** The decision to publish, and the mark of its result. */
  assess(judged: Judged): { readonly decision: Decision; readonly challenge: ChallengeMark };
  /** To be called when its result is stored; never rejects. */
  settle(result: Result): Promise<void>;
}

/** Everything one camera's inspection needs. */
export interface Line {
  readonly camera: string;
  /** The newest sequence number so far, 0 for none: numbers continue without a gap, also after a restart. */
  readonly after: number;
  readonly parts: Parts;
  readonly judge: (image: Image, recipe: string) => Promise<ImageJudgement>;
  /** The rules of the head that judged, for the part's recipe. */
  readonly rules: (version: string, recipe: string) => Rules;
  /** The part that a challenge test expects, if this is one; undefined for an ordinary part. */
  readonly known?: (part: Part) => KnownPart | undefined;
  /** Facts about the agent in every result: station, model, mode. */
  readonly facts: () => Facts;
  /** Stores the image as evidence if configured; returns its path or null. */
  readonly keep: (result: Result, seen: Observation) => string | null;
  /** Resolves once the outbox has stored the result. */
  readonly publish: (result: Result) => Promise<void>;
  readonly count: (result: Result) => void;
  /** Shows the result with its observation. */
  readonly show: (result: Result, seen: Observation) => void;
  /**
   * Maximum number of parts being judged or stored: this camera's share of the images that keep the model busy. Other parts
   * wait in a queue where newer ones replace them or the oldest is dropped, so that judged images are never old.
   */
  readonly depth: number;
}

/**
 * Inspects one camera until its parts end; by then every started part has its published result. The next part is found
 * while the last one is still being judged; results keep the order of the parts.
 * @param stopping aborted before the parts are closed: parts that fail afterwards count as aborted
 */
export async function inspect(line: Line, stopping: AbortSignal): Promise<void> {
  let sequence = line.after;
  let newest: Promise<void> = Promise.resolve();
  const unfinished = new Set<Promise<void>>();
  while (true) {
    const part = await nextPart(line.parts, stopping);
    if (!part) break;
    const numbered = { part, sequence: ++sequence, facts: line.facts(), known: line.known?.(part) };
    const judging = judgePart(line, part, stopping);
    newest = finishPart(line, numbered, judging, newest);
    addUntilSettled(unfinished, newest);
    while (unfinished.size >= line.depth) await Promise.race(unfinished);
  }
  await newest;
}

const never = new AbortController().signal;

/** The next part; undefined after close when no started part is left. */
async function nextPart(parts: Parts, stopping: AbortSignal): Promise<Part | undefined> {
  try {
    return await parts.next(never);
  } catch (error) {
    if (stopping.aborted) return undefined;
    throw error;
  }
}

/** Outcome of judging a part. */
interface PartJudgement extends Omit<Observation, 'frame'> {
  readonly state: Result['state'];
  readonly decision: Decision;
  /** Locations of the defect on the frame that is stored as evidence. */
  readonly places: readonly Place[];
  readonly times: Pick<PartTimes, 'runs' | 'answeredAt' | 'decidedAt'>;
  /** The head that was used; undefined if the part was not judged. */
  readonly version?: string;
  /** Its base. */
  readonly base?: string | undefined;
  /** What ran the base for it. */
  readonly ranOn?: ResultParts['ranOn'];
}

/** Judges all frames of a part and lets them vote; any error makes the part failed, never a pass. */
async function judgePart(line: Line, part: Part, stopping: AbortSignal): Promise<PartJudgement> {
  const runs: RunTimes[] = [];
  let answeredAt: number | undefined;
  const times = () => {
    const decidedAt = monotonicMs();
    return { runs, answeredAt: answeredAt ?? decidedAt, decidedAt };
  };
  if (part.failure !== undefined) {
    const state = stopping.aborted || isAborted(part) ? 'aborted' : 'failed';
    return { state, decision: failed(part.failure, part.frames.length), places: [], times: times() };
  }
  try {
    const judgements = await within(part.until, judgeFrames(line, part, runs));
    answeredAt = monotonicMs();
    const decided = decidePart(line, part, judgements);
    return { state: 'completed', ...decided, times: times() };
  } catch (error) {
    return {
      state: isAborted(part) ? 'aborted' : 'failed',
      decision: failed((error as Error).message, part.frames.length),
      places: [],
      times: times(),
    };
  }
}

/**
 * Waits for its turn and for the judgement; then composes the result, stores its evidence, publishes, counts and shows it.
 * @param turn resolves once the previous part is finished
 */
async function finishPart(
  line: Line,
  { part, sequence, facts, known }: NumberedPart,
  judging: Promise<PartJudgement>,
  turn: Promise<void>,
): Promise<void> {
  await turn;
  const { features, map, unfamiliar, shadow, times, ...judgement } = await judging;
  const { camera } = line;
  const frame = part.frames.at(-1);
  const first = part.frames[0]?.times;
  const timingsMs = timingsOf({ first, foundAt: part.foundAt, ...times, turnAt: monotonicMs() });
  const { state, decision } = judgement;
  const assessed = known?.assess({ state, decision, doubts: doubtsOf(part) });
  const composed = composeResult({ sequence, camera, part, facts, timingsMs, ...judgement, ...assessed });
  const seen = { frame, features, map, unfamiliar, shadow };
  const result = { ...composed, evidence: line.keep(composed, seen) };
  await line.publish(result);
  await known?.settle(result);
  line.count(result);
  line.show(result, seen);
}

interface NumberedPart {
  readonly part: Part;
  readonly sequence: number;
  /** The facts at the time when the part was found. */
  readonly facts: Facts;
  readonly known: KnownPart | undefined;
}

/** The vote of all frames, and that of the shadow candidate if the same one judged all of them. */
function decidePart(line: Line, part: Part, judgements: readonly ImageJudgement[]) {
  const { version, base, shadow, features, where } = judgements.at(-1) ?? { version: 'none' };
  const rules = line.rules(version, part.recipe);
  const unfamiliar = isUnfamiliar(
    judgements.map(({ familiarity }) => familiarity),
    rules,
  );
  const shadows = judgements.flatMap((judgement) => judgement.shadow ?? []);
  const isOneShadow =
    shadow !== undefined &&
    shadows.length === judgements.length &&
    shadows.every(({ version }) => version === shadow.version);
  const voted = voteOf(judgements, rules);
  const { places, words } = locate(where, voted, rules, unfamiliar, part.frames.at(-1)?.region);
  const decision = { ...voted, reasons: [...voted.reasons, ...(words === undefined ? [] : [words])] };
  return {
    decision: withhold(decision, doubtsOf(part)),
    places,
    features,
    map: whereMapViewOf(where, rules.where),
    unfamiliar,
    ...(isOneShadow && {
      shadow: {
        version: shadow.version,
        decision: voteOf(shadows, line.rules(shadow.version, part.recipe)),
      },
    }),
    version,
    base,
    ...ranOnOf(judgements),
  };
}

function voteOf(
  judgements: readonly Pick<ImageJudgement, 'probabilities' | 'familiarity'>[],
  rules: Rules,
): Decision {
  return decide(
    judgements.map(({ probabilities }) => probabilities),
    rules,
    judgements.map(({ familiarity }) => familiarity),
  );
}

/** Reasons why this part must not pass: its own and those of its frames, without duplicates. */
function doubtsOf({ doubt, frames }: Part): string[] {
  const all = [doubt, ...frames.map((frame) => frame.doubt)];
  return [...new Set(all.filter((text) => text !== undefined))];
}

/** What ran the base for any of the frames: `remote+cpu` if an inference server failed in between. */
function ranOnOf(judgements: readonly ImageJudgement[]): Pick<PartJudgement, 'ranOn'> {
  const all = judgements.flatMap(({ ranOn }) => ranOn ?? []);
  const joined = (key: 'provider' | 'precision') => [...new Set(all.map((one) => one[key]))].join('+');
  return all.length > 0 ? { ranOn: { provider: joined('provider'), precision: joined('precision') } } : {};
}

/** Whether the job was aborted by command; a job that ran out of time has failed instead. */
function isAborted({ until }: Part): boolean {
  return until?.reason instanceof QcError && until.reason.code === 'job-aborted';
}

/** The result of the work, unless the signal aborts first: then its reason is thrown and the result is discarded. */
async function within<T>(until: AbortSignal | undefined, work: Promise<T>): Promise<T> {
  if (!until) return work;
  let stop = () => {};
  const over = new Promise<never>((_, reject) => {
    stop = () => reject(until.reason);
    if (until.aborted) stop();
    else until.addEventListener('abort', stop, { once: true });
  });
  work.catch(() => undefined);
  try {
    return await Promise.race([over, work]);
  } finally {
    until.removeEventListener('abort', stop);
  }
}

/**
 * Judges all frames of a part with one head: if the active head changes in between, all are judged again.
 * @param runs collects the times of each model run
 */
async function judgeFrames(line: Line, part: Part, runs: RunTimes[]): Promise<ImageJudgement[]> {
  const judge = async ({ image }: Frame) => {
    const judgement = await line.judge(image, part.recipe);
    runs.push(judgement);
    return judgement;
  };
  while (true) {
    const judgements = await Promise.all(part.frames.map(judge));
    if (judgements.every(({ version }) => version === judgements[0]!.version)) return judgements;
  }
}

/** Keeps a promise in the set while it is pending. Rejections are handled by the code that awaits the promise itself. */
function addUntilSettled<T>(set: Set<Promise<T>>, promise: Promise<T>): void {
  const remove = () => void set.delete(promise);
  set.add(promise);
  promise.then(remove, remove);
}
