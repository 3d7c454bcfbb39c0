/** The report of an agreement study as text. */
import type { Rate, StudyReport } from '../../calibration/study/views.ts';

const readings = { good: 'good', fair: 'fair', poor: 'poor', undefined: 'all answers are the same' } as const;

const percent = (share: number) => `${(share * 100).toFixed(1)} %`;
const rateText = ({ agree, of, share, low, high }: Rate) =>
  `${agree} of ${of}, ${percent(share)} (${percent(low)} to ${percent(high)})`;
const kappaText = ({ kappa, reading }: Pick<StudyReport['overall'], 'kappa' | 'reading'>) =>
  `kappa ${kappa === null ? 'undefined' : kappa.toFixed(3)} (${readings[reading]})`;

export function reportText(report: StudyReport): string {
  const { study, counted, within, between, overall, pairs, againstLabel, allAgainstLabel, head, disputed } =
    report;
  const open = study.operators.filter(({ name }) => !counted.includes(name));
  const title = `study ${study.id} "${study.name}": ${study.parts} parts, ${study.trials} trials; intervals are 95 %, exact for parts, too narrow for answers`;
  const unfinished = open.map(
    ({ name, answered }) => `${name} has answered ${answered} of ${study.questions} and is not counted`,
  );
  if (counted.length === 0) return [title, ...unfinished, 'nobody has finished yet'].join('\n');
  return [
    title,
    ...unfinished,
    '',
    'repeatability: parts with the same answer in each trial',
    ...within.map((one) => `  ${one.operator}: ${rateText(one)}, ${kappaText(one)}`),
    ...(between
      ? [
          'reproducibility: parts with the same answer of all operators in all trials',
          `  all: ${rateText(between)}, Fleiss' ${kappaText(overall)}`,
          ...pairs.map(
            (one) => `  ${one.one} and ${one.other}: equal answers ${rateText(one)}, ${kappaText(one)}`,
          ),
        ]
      : []),
    'against the label of the dataset: parts with this label in each trial',
    ...againstLabel.flatMap((one) => [
      `  ${one.operator}: ${rateText(one)}, ${kappaText(one)}`,
      `    defects called good ${rateText(one.missed)}; good parts called defective ${rateText(one.falseAlarms)}`,
    ]),
    ...(allAgainstLabel ? [`  all: ${rateText(allAgainstLabel)}`] : []),
    ...headLines(head),
    ...(disputed.length > 0
      ? [
          'parts that got different answers: candidates for the label "unclear"',
          ...disputed.map(disputedLine),
        ]
      : ['every part got the same answer each time']),
  ].join('\n');
}

function headLines({ parts, missing, againstLabel, operators }: StudyReport['head']): string[] {
  if (!againstLabel)
    return ['against the model: not available, because no part was judged before it was labelled'];
  return [
    `against the model, for ${parts} parts that were judged before they were labelled (${missing} were not)`,
    `  label of the dataset: equal ${rateText(againstLabel)}, ${kappaText(againstLabel)}`,
    ...operators.map((one) => `  ${one.operator}: equal answers ${rateText(one)}, ${kappaText(one)}`),
  ];
}

function disputedLine({ frame, label, head, answers }: StudyReport['disputed'][number]): string {
  const said = answers.map(({ operator, labels }) => `${operator}: ${labels.join(', ')}`).join('; ');
  return `  ${frame.slice(0, 12)}  labelled ${label}, model ${head ?? 'unknown'}; ${said}`;
}
