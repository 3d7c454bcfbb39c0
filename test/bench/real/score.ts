/** True label and answer for each part, and statistics of them. */
export interface Answer {
  readonly truth: string;
  /** The answer; undefined without one. */
  readonly said: string | undefined;
}

/** Share of right answers; a missing one is wrong. NaN for none. */
export function accuracy(answers: readonly Answer[]): number {
  return answers.filter(({ truth, said }) => truth === said).length / answers.length;
}

/** Half the width of the 95 % interval of such a share (Agresti and Coull, 1998). */
export function margin(share: number, count: number): number {
  const z = 1.96;
  const centre = (share * count + (z * z) / 2) / (count + z * z);
  return z * Math.sqrt((centre * (1 - centre)) / (count + z * z));
}

/** Share of right answers for each label. */
export function byLabel(answers: readonly Answer[]): Map<string, number> {
  const labels = [...new Set(answers.map(({ truth }) => truth))].sort();
  return new Map(labels.map((label) => [label, accuracy(answers.filter(({ truth }) => truth === label))]));
}

/**
 * Confusion matrix: rows are true labels, columns are answers in the same order; the last column counts missing answers.
 */
export function confusion(answers: readonly Answer[]): string {
  const labels = [...new Set(answers.map(({ truth }) => truth))].sort();
  const count = (truth: string, said: string | undefined) =>
    answers.filter((answer) => answer.truth === truth && answer.said === said).length;
  const width = Math.max(...labels.map(({ length }) => length));
  return labels
    .map((truth) => {
      const cells = [...labels, undefined].map((said) => String(count(truth, said) || '·').padStart(5));
      return `${truth.padEnd(width)} ${cells.join('')}`;
    })
    .join('\n');
}
