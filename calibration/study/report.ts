/** The report of a study: do operators agree with themselves, with each other, with the label and with the head? Pure. */
import { interval95 } from '../train/interval.ts';
import { cohenKappa, fleissKappa, readingOf } from './kappa.ts';
import { orderOf } from './plan.ts';
import type { Rate, StudyAnswer, StudyFile, StudyReport, StudySummary } from './views.ts';

/** Answers of one operator: [part][trial]. */
interface Answers {
  readonly operator: string;
  readonly ofPart: readonly (readonly string[])[];
}

export function summaryOf(study: StudyFile, answers: readonly StudyAnswer[], asker?: string): StudySummary {
  const { id, name, createdAt, createdBy, trials, parts } = study;
  const answered = (operator: string) => answers.filter((one) => one.operator === operator).length;
  return {
    id,
    name,
    createdAt,
    createdBy,
    trials,
    parts: parts.length,
    operators: study.operators.map((operator) => ({ name: operator, answered: answered(operator) })),
    questions: parts.length * trials,
    yours: asker !== undefined && study.operators.includes(asker) ? answered(asker) : null,
  };
}

export function reportOf(study: StudyFile, answers: readonly StudyAnswer[]): StudyReport {
  const { parts } = study;
  const counted = countedOf(study, answers);
  const all = parts.map((_, part) => counted.flatMap(({ ofPart }) => ofPart[part] ?? []));
  const label = (part: number) => parts[part]?.label ?? '';
  const several = counted.length > 1;
  const overall = fleissKappa(all);
  return {
    study: summaryOf(study, answers),
    counted: counted.map(({ operator }) => operator),
    within: counted.map(({ operator, ofPart }) => ({
      operator,
      ...rateOf(ofPart.map(areEqual)),
      ...withReading(fleissKappa(ofPart)),
    })),
    between: several ? rateOf(all.map(areEqual)) : null,
    overall: withReading(overall),
    pairs: counted.flatMap((one, i) => counted.slice(i + 1).map((other) => pairOf(one, other))),
    againstLabel: counted.map((one) => againstLabel(study, one)),
    allAgainstLabel: several
      ? rateOf(all.map((labels, part) => labels.every((said) => said === label(part))))
      : null,
    head: againstHead(study, counted),
    disputed: disputedOf(study, counted, all),
  };
}

/** Operators who have answered every question. */
function countedOf(study: StudyFile, answers: readonly StudyAnswer[]): Answers[] {
  const { parts, trials } = study;
  return study.operators.flatMap((operator, index) => {
    const own = new Map(
      answers.flatMap((one) => (one.operator === operator ? [[one.position, one.label]] : [])),
    );
    if (own.size < parts.length * trials) return [];
    const ofPart: string[][] = parts.map(() => []);
    orderOf({ ...study, parts: parts.length }, index).forEach((part, position) => {
      ofPart[part]?.push(own.get(position) ?? '');
    });
    return [{ operator, ofPart }];
  });
}

const areEqual = (labels: readonly string[]) => labels.every((label) => label === labels[0]);
const withReading = (kappa: number | null) => ({ kappa, reading: readingOf(kappa) });

function rateOf(agrees: readonly boolean[]): Rate {
  const agree = agrees.filter(Boolean).length;
  const { rate: share, low, high, of } = interval95(agree, agrees.length);
  return { agree, of, share, low, high };
}

/** Kappa and share of equal answers. */
const agreementOf = (pairs: readonly (readonly [string, string])[]) => ({
  ...rateOf(pairs.map(([one, other]) => one === other)),
  ...withReading(cohenKappa(pairs)),
});

function pairOf(one: Answers, other: Answers) {
  const pairs = one.ofPart.flatMap((labels, part) =>
    labels.map((label, trial) => [label, other.ofPart[part]?.[trial] ?? ''] as const),
  );
  return { one: one.operator, other: other.operator, ...agreementOf(pairs) };
}

function againstLabel({ parts, labels }: StudyFile, { operator, ofPart }: Answers) {
  const isGood = (name: string) => labels.some((one) => one.good && one.name === name);
  const answers = ofPart.flatMap((said, part) =>
    said.map((label) => [label, parts[part]?.label ?? ''] as const),
  );
  const ofKind = (good: boolean) => answers.filter(([, label]) => isGood(label) === good);
  return {
    operator,
    ...rateOf(ofPart.map((said, part) => said.every((label) => label === parts[part]?.label))),
    ...withReading(cohenKappa(answers)),
    missed: rateOf(ofKind(false).map(([said]) => isGood(said))),
    falseAlarms: rateOf(ofKind(true).map(([said]) => !isGood(said))),
  };
}

function againstHead({ parts }: StudyFile, counted: readonly Answers[]): StudyReport['head'] {
  const known = parts.flatMap(({ head, label }, part) =>
    head?.label == null ? [] : [{ part, label, said: head.label }],
  );
  const isKnown = known.length > 0;
  return {
    parts: known.length,
    missing: parts.length - known.length,
    againstLabel: isKnown ? agreementOf(known.map(({ said, label }) => [said, label])) : null,
    operators: (isKnown ? counted : []).map(({ operator, ofPart }) => ({
      operator,
      ...agreementOf(
        known.flatMap(({ part, said }) => (ofPart[part] ?? []).map((label) => [label, said] as const)),
      ),
    })),
  };
}

function disputedOf(
  { parts }: StudyFile,
  counted: readonly Answers[],
  all: readonly (readonly string[])[],
): StudyReport['disputed'] {
  const commonest = (labels: readonly string[]) =>
    Math.max(...labels.map((label) => labels.filter((one) => one === label).length));
  return parts
    .map(({ frame, label, head }, part) => ({
      part,
      frame,
      label,
      head: head?.label ?? null,
      answers: counted.map(({ operator, ofPart }) => ({ operator, labels: [...(ofPart[part] ?? [])] })),
      agreement: commonest(all[part] ?? []),
      isDisputed: !areEqual(all[part] ?? []),
    }))
    .filter(({ isDisputed }) => isDisputed)
    .sort((a, b) => a.agreement - b.agreement || a.part - b.part)
    .map(({ agreement: _agreement, isDisputed: _isDisputed, ...one }) => one);
}
