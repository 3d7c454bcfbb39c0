/** Metrics of the edge node and of a camera for host applications, with types and units. */
import type { Result, Status } from '../messages.ts';
import type { DataType, Metric } from './payload.ts';

/** Requests all births again (Sparkplug 3.0 §5.12). */
export const rebirthName = 'Node Control/Rebirth';

export interface NodeFacts {
  readonly station: string;
  readonly status: Pick<Status, 'version' | 'state' | 'reasons' | 'challenge'>;
  /** The active recipe. */
  readonly recipe: string;
  /** Undefined while it loads. */
  readonly model: Result['model'] | undefined;
}

/** The number that links a birth to its death: 0 to 255 (§4.4.1). */
export function bdSeqMetric(bdSeq: number, timestamp: number): Metric {
  return { name: 'bdSeq', type: 'Int64', value: bdSeq, timestamp };
}

export function rebirthMetric(timestamp: number): Metric {
  return { name: rebirthName, type: 'Boolean', value: false, timestamp };
}

/** The current metrics of the edge node. */
export function nodeMetrics({ station, status, recipe, model }: NodeFacts, timestamp: number): Metric[] {
  const text = (name: string, value: string | undefined): Metric => ({
    name,
    type: 'String',
    value: value ?? null,
    timestamp,
    quality: value === undefined ? 'stale' : 'good',
  });
  return [
    text('Properties/Station', station),
    text('Properties/Agent Version', status.version),
    text('Station/State', status.state),
    text('Station/Reasons', status.reasons.join('; ')),
    text('Station/Recipe', recipe),
    text('Station/Challenge', status.challenge?.state ?? 'none'),
    text('Station/Challenge Part', expectedPart(status.challenge)),
    text('Model/Version', model?.version),
    text('Model/Base', model?.base),
    text('Model/Precision', model?.precision),
    text('Model/Provider', model?.provider),
  ];
}

/** `top: bad`: the part that a challenge test expects next; empty if none. */
function expectedPart(challenge: Status['challenge']): string {
  const expected = challenge?.expected;
  return expected ? `${expected.camera}: ${expected.part}` : '';
}

interface Definition {
  readonly name: string;
  readonly type: DataType;
  /** UCUM. */
  readonly unit?: string;
  /** Output of the model: invalid if the part could not be judged. */
  readonly judged?: true;
  readonly of: (result: Result) => Metric['value'];
}

const ms = (name: string, of: Definition['of']): Definition => ({ name, type: 'Double', unit: 'ms', of });

/** All metrics of a camera; each result sets all of them. */
const definitions: readonly Definition[] = [
  { name: 'Result/Verdict', type: 'String', judged: true, of: (result) => result.verdict },
  { name: 'Result/Evaluation', type: 'UInt8', judged: true, of: (result) => result.evaluation },
  { name: 'Result/Label', type: 'String', judged: true, of: (result) => result.label },
  { name: 'Result/Probability', type: 'Double', judged: true, of: (result) => result.probability },
  { name: 'Result/Reasons', type: 'String', of: (result) => result.reasons.join('; ') },
  { name: 'Result/Where', type: 'String', judged: true, of: ({ where }) => JSON.stringify(where ?? []) },
  { name: 'Result/State', type: 'String', of: (result) => result.state },
  { name: 'Result/Id', type: 'String', of: (result) => result.resultId },
  { name: 'Result/Sequence', type: 'UInt64', of: (result) => result.sequence },
  { name: 'Result/Captured At', type: 'DateTime', of: (result) => Date.parse(result.capturedAt) },
  { name: 'Result/Simulated', type: 'Boolean', of: (result) => result.simulated },
  { name: 'Result/Calibration', type: 'Boolean', of: (result) => result.calibration },
  { name: 'Result/Challenge', type: 'String', of: ({ challenge }) => challenge?.part ?? '' },
  { name: 'Result/Evidence', type: 'String', of: (result) => result.evidence },
  { name: 'Part/Id', type: 'String', of: (result) => result.partId },
  { name: 'Part/Job', type: 'String', of: (result) => result.jobId },
  { name: 'Part/Recipe', type: 'String', of: (result) => result.recipe },
  { name: 'Votes/Frames', type: 'Int32', of: (result) => result.votes.frames },
  { name: 'Votes/Agree', type: 'Int32', of: (result) => result.votes.agree },
  { name: 'Model/Version', type: 'String', of: (result) => result.model.version },
  ms('Timing/Decode', (result) => result.timingsMs.decode),
  ms('Timing/Queue', (result) => result.timingsMs.queue),
  ms('Timing/Inference', (result) => result.timingsMs.inference),
  ms('Timing/Total', (result) => result.timingsMs.total),
];

/**
 * A camera's metrics. Every message contains all of them, changed or not: one message describes one part completely, even
 * if it arrives after newer ones.
 * @param result the newest; undefined before the first, when every value is null and stale
 * @param now timestamp of null values, ms since the epoch
 */
export function deviceMetrics(
  result: Result | undefined,
  { now, isHistorical }: { readonly now: number; readonly isHistorical?: boolean },
): Metric[] {
  const timestamp = result ? Date.parse(result.capturedAt) : now;
  return definitions.map(({ name, type, unit, judged, of }) => ({
    name,
    type,
    unit,
    // A result stored by an earlier version may lack newer fields.
    value: (result && of(result)) ?? null,
    timestamp,
    isHistorical,
    quality: !result ? 'stale' : judged && result.state !== 'completed' ? 'bad' : 'good',
  }));
}
