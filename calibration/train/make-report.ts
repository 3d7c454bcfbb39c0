/** Builds the report of a candidate from its measurements. Pure. */
import type { Probabilities } from '../../models/verdict.ts';
import type { ImagingChange } from '../dataset/imaging.ts';
import type { JudgedByActive } from './active.ts';
import { forgetting, negativeTransfer, overFitting, shareOf } from './checks.ts';
import { countLabels } from './choose-frames.ts';
import { byLabel, type Evaluation, mostProbable, rightOf } from './evaluate.ts';
import type { FrameFeatures } from './features.ts';
import type { TrainedHead } from './fit.ts';
import type { PlacesFit } from './fit-places.ts';
import type { Gate } from './gate.ts';
import { doubtfulDefects } from './marks-wanted.ts';
import { placesSentence } from './places-of-frames.ts';
import type { Report } from './report.ts';
import type { Chosen } from './thresholds.ts';

export interface Measured {
  /** Labels of the frames that were drawn, including those whose image cannot be read. */
  readonly drawn: readonly string[];
  readonly described: readonly FrameFeatures[];
  readonly head: TrainedHead;
  /** A head trained on plain image statistics instead of the base. */
  readonly plain: TrainedHead;
  /** Localized features; undefined if they were not tried. */
  readonly places: PlacesFit | undefined;
  /** Undefined if a memory of good parts was not tried. */
  readonly goodParts: Report['goodParts'];
  /** Cross-validated probabilities of each frame. */
  readonly heldOut: readonly Probabilities[];
  readonly limits: Chosen;
  readonly evaluation: Evaluation;
  /** Labels that mean a good part. */
  readonly good: readonly string[];
  /** What more labels would bring; undefined for an adapted head. */
  readonly learning: Report['learning'];
  /** The change of light or focus that it was trained for. */
  readonly adaptation:
    | { readonly sentences: readonly string[]; readonly recent: number; readonly change: ImagingChange }
    | undefined;
  readonly active: JudgedByActive | undefined;
  readonly gate: Gate;
  /** Undefined if it was not tried. */
  readonly fineTuning: Report['fineTuning'];
  /** Copied to the report unchanged. */
  readonly facts: Pick<Report, 'revision' | 'seed' | 'augment' | 'hidden' | 'latencyMs'>;
  readonly ms: { readonly features: number; readonly training: number };
}

type ReportedAdaptation = NonNullable<Report['adaptation']>;

const maxWorst = 24;

export function makeReport(measured: Measured): Report {
  const {
    drawn,
    described,
    head,
    plain,
    places,
    goodParts,
    fineTuning,
    heldOut,
    limits,
    evaluation,
    learning,
    adaptation,
    good,
    active,
    gate,
    facts,
    ms,
  } = measured;
  const truth = described.map(({ frame }) => frame.label);
  const right = rightOf(heldOut, truth);
  const known = active?.right.filter((_, i) => active.known[i]) ?? [];
  const compared = active && known.length > 0 ? { version: active.version, accuracy: shareOf(known) } : null;
  const commonest = Math.max(...Object.values(countLabels(drawn)));
  return {
    ...evaluation,
    revision: facts.revision,
    frames: described.length,
    counts: countLabels(truth),
    folds: head.folds,
    seed: facts.seed,
    views: head.views,
    augment: facts.augment,
    learning,
    doubtful: doubtfulDefects(
      described.map(({ frame }) => frame),
      heldOut,
      good,
    ),
    hidden: facts.hidden,
    ...(places && { places: placesOf(places) }),
    ...(goodParts && { goodParts }),
    ...(fineTuning && { fineTuning }),
    ...(adaptation && { adaptation: adaptationOf(adaptation, described, right, active) }),
    penalty: head.penalty,
    temperature: head.temperature,
    doubt: head.doubt,
    backend: head.backend,
    thresholds: limits.thresholds,
    promised: limits.promised,
    promise: [...limits.sentences],
    checks: [
      negativeTransfer(right, rightOf(byLabel(plain.labels, plain.heldOut), truth)),
      overFitting(rightOf(byLabel(head.labels, head.seen), truth), right),
      forgetting(
        right.filter((_, i) => active?.knew[i]),
        active?.right.filter((_, i) => active.knew[i]) ?? [],
      ),
    ],
    active: compared,
    errorReduction: {
      active: compared ? reduction(evaluation.accuracy, compared.accuracy) : null,
      commonest: reduction(evaluation.accuracy, commonest / drawn.length),
    },
    gate,
    worst: worstMistakes(described, heldOut),
    latencyMs: facts.latencyMs,
    seconds: { features: seconds(ms.features), training: seconds(ms.training) },
  };
}

/** Accuracy on the images after the change, without adaptation and with it. */
function adaptationOf(
  { change, sentences, recent }: NonNullable<Measured['adaptation']>,
  described: readonly FrameFeatures[],
  right: readonly boolean[],
  active: JudgedByActive | undefined,
): ReportedAdaptation {
  const isChanged = described.map(({ frame }) => frame.changed !== undefined);
  return {
    change: { gain: [...change.gain], offset: [...change.offset], blur: change.blur },
    sentences: [...sentences],
    recent,
    before: active ? shareOf(active.right.filter((_, i) => isChanged[i] && active.known[i])) : null,
    after: shareOf(right.filter((_, i) => isChanged[i])),
    unchanged: shareOf(right.filter((_, i) => !isChanged[i])),
  };
}

function placesOf(fit: PlacesFit): Report['places'] {
  const { chosen, tried, marked, guessed } = fit;
  const variants = tried.map((one) => ({ ...one, chosen: one === chosen }));
  return { sentence: placesSentence(fit), marked, guessed, tried: variants };
}

function worstMistakes(described: readonly FrameFeatures[], said: readonly Probabilities[]): Report['worst'] {
  return described
    .map(({ frame: { id, label } }, i) => {
      const most = mostProbable(said[i]!);
      return { id, label, said: most, probability: said[i]![most]! };
    })
    .filter(({ label, said: most }) => label !== most)
    .sort((a, b) => b.probability - a.probability)
    .slice(0, maxWorst);
}

const seconds = (ms: number) => Number((ms / 1000).toFixed(2));

function reduction(accuracy: number, other: number): number | null {
  return other >= 1 ? null : 1 - (1 - accuracy) / (1 - other);
}
