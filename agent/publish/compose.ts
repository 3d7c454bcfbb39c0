import type { Frame } from '../../models/image.ts';
import type { Decision } from '../../models/verdict.ts';
import type { Place } from '../../models/where.ts';
import { newId } from '../lifecycle/id.ts';
import type { ChallengeMark, Result, VerdictMessage } from './messages.ts';

/** Facts about the agent that every result contains. */
export interface Facts {
  readonly station: string;
  readonly model: Result['model'];
  readonly calibration: boolean;
}

/** OPC 40100-1 evaluation of a verdict: anything but a completed pass or fail is 0, UNDEFINED. */
function evaluationOf(state: Result['state'], verdict: Result['verdict']): Result['evaluation'] {
  if (state !== 'completed' || verdict === 'uncertain') return 0;
  return verdict === 'pass' ? 1 : 2;
}

export interface ResultParts {
  readonly sequence: number;
  readonly camera: string;
  readonly part: {
    readonly partId: string;
    readonly jobId: string;
    readonly recipe: string;
    readonly frames: readonly Frame[];
  };
  readonly state: Result['state'];
  readonly decision: Decision;
  readonly places: readonly Place[];
  readonly timingsMs: Result['timingsMs'];
  /** The head that was used; undefined if the part was not judged. */
  readonly version?: string;
  /** Its base; default: as in the facts. */
  readonly base?: string | undefined;
  /** What ran the base for this part; default: as in the facts. */
  readonly ranOn?: Pick<Result['model'], 'provider' | 'precision'> | undefined;
  readonly facts: Facts;
  /** Set if the part belongs to a challenge test. */
  readonly challenge?: ChallengeMark | undefined;
}

/** The result message of one part. Times are UTC; `capturedAt` is the time of the first voting frame. */
export function composeResult(parts: ResultParts, now = Date.now()): Result {
  const { part, decision, facts } = parts;
  const resultId = newId(now);
  const capturedAt = part.frames[0]?.capturedAt ?? now;
  const region = part.frames.at(-1)?.region;
  return {
    schema: 1,
    resultId,
    jobId: part.jobId,
    partId: part.partId,
    station: facts.station,
    camera: parts.camera,
    recipe: part.recipe,
    sequence: parts.sequence,
    state: parts.state,
    verdict: decision.verdict,
    evaluation: evaluationOf(parts.state, decision.verdict),
    label: decision.label,
    probability: decision.probability === null ? null : rounded(decision.probability, 4),
    probabilities: Object.fromEntries(
      Object.entries(decision.probabilities).map(([label, p]) => [label, rounded(p, 4)]),
    ),
    reasons: [...decision.reasons],
    where: [...parts.places],
    ...(region && { region: { ...region } }),
    votes: { ...decision.votes },
    model: {
      ...facts.model,
      version: parts.version ?? facts.model.version,
      base: parts.base ?? facts.model.base,
      ...parts.ranOn,
    },
    capturedAt: new Date(capturedAt).toISOString(),
    publishedAt: new Date(now).toISOString(),
    timingsMs: parts.timingsMs,
    simulated: part.frames.some((frame) => frame.simulated),
    calibration: facts.calibration,
    historical: false,
    evidence: null,
    ...(parts.challenge && { challenge: parts.challenge }),
  };
}

/** The short message for a PLC about the same part. */
export function composeVerdict(result: Result): VerdictMessage {
  const { schema, sequence, partId, jobId, verdict, evaluation } = result;
  const challenge = result.challenge?.part;
  return { schema, sequence, partId, verdict, evaluation, jobId, ...(challenge && { challenge }) };
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
