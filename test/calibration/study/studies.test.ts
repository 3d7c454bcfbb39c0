import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { reportText } from '../../../agent/cli/study-report.ts';
import { openDataset, readDataset } from '../../../calibration/dataset/dataset.ts';
import { orderOf } from '../../../calibration/study/plan.ts';
import { createStudies, type Studies } from '../../../calibration/study/studies.ts';
import { type StudyFile, studyReport } from '../../../calibration/study/views.ts';
import type { Image } from '../../../models/image.ts';

const [anna, ben] = ['anna', 'ben'];
const request = { name: 'night shift', parts: 10, trials: 2, operators: [anna, ben] };

describe('an agreement study', () => {
  let directory: string;
  let studies: Studies;
  const open = () =>
    createStudies(directory, {
      good: () => ['good'],
      frames: async () => (await readDataset(directory, () => undefined)).frames,
    });
  const image = (n: number): Image => ({ width: 4, height: 4, data: new Uint8Array(48).fill(n) });

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'qc-study-'));
    await using dataset = await openDataset(directory, { onNotice: () => undefined });
    for (let n = 0; n < 12; n++) {
      const label = n % 2 ? 'scratch' : 'good';
      // The line was wrong about part 3, and did not judge parts 8 to 11.
      const said = n === 3 ? 'good' : label;
      const judged = { verdict: 'uncertain', label: said, version: '2026-11-01.1', drawn: false } as const;
      await dataset.add({ image: image(n), label, by: 'kim', ...(n < 8 && { judged }) });
    }
    studies = open();
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  const fileOf = async (id: string): Promise<StudyFile> =>
    JSON.parse(await readFile(join(directory, 'studies', id, 'study.json'), 'utf8'));
  /** Answers questions until the given one. @param say the answer to a part in a trial */
  async function answerUntil(
    id: string,
    operator: string,
    end: number,
    say: (label: string, part: number, trial: number) => string,
  ): Promise<void> {
    const { seed, trials, parts, operators } = await fileOf(id);
    const order = orderOf({ seed, trials, parts: parts.length }, operators.indexOf(operator));
    for (let { position } = await studies.question(id, operator); position !== null && position < end; ) {
      const part = order[position]!;
      const label = say(parts[part]!.label, part, Math.floor(position / parts.length));
      ({ position } = await studies.answer(id, operator, { position, label }));
    }
  }

  it('asks blind, continues after kill -9, and does not change the dataset', async () => {
    const before = await readFile(join(directory, 'dataset', 'labels.jsonl'), 'utf8');
    const { id, questions } = await studies.create(request, 'erin');
    expect(questions).toBe(20);
    const question = await studies.question(id, anna);
    expect(question).toEqual({
      id,
      name: 'night shift',
      questions: 20,
      position: 0,
      labels: [
        { name: 'good', good: true },
        { name: 'scratch', good: false },
      ],
    });
    const shown = await studies.questionImage(id, anna, 0);
    const { seed, parts } = await fileOf(id);
    const first = orderOf({ seed, trials: 2, parts: parts.length }, 0)[0]!;
    expect(shown).toEqual(await studies.partImage(id, first));
    await answerUntil(id, anna, 7, (label) => label);
    // The agent is killed while it writes a line.
    await appendFile(join(directory, 'studies', id, 'answers.jsonl'), '{"schema":1,"operator":"anna"');
    studies = open();
    expect(await studies.question(id, anna)).toMatchObject({ position: 7 });
    await answerUntil(id, anna, 20, (label) => label);
    expect(await studies.question(id, anna)).toMatchObject({ position: null });
    studies = open();
    const [listed] = await studies.list(ben);
    expect(listed).toMatchObject({ id, yours: 0, operators: [{ answered: 20 }, { answered: 0 }] });
    expect(await readFile(join(directory, 'dataset', 'labels.jsonl'), 'utf8')).toBe(before);
    const report = await studies.report(id);
    expect(report.counted).toEqual([anna]);
    expect(report.between).toBeNull();
    expect(reportText(report)).toContain('ben has answered 0 of 20 and is not counted');
  });

  it('asks a question again whose answer is damaged, and moves no other answer', async () => {
    const { id } = await studies.create(request, 'erin');
    await answerUntil(id, anna, 20, (label) => label);
    const file = join(directory, 'studies', id, 'answers.jsonl');
    const lines = (await readFile(file, 'utf8')).split('\n');
    // An answer that was refused because the disk did not confirm it, and was given again.
    const again = { ...JSON.parse(lines[3]!), label: JSON.parse(lines[3]!).label };
    const wrong = { ...again, label: again.label === 'good' ? 'scratch' : 'good' };
    lines.splice(3, 1, JSON.stringify(wrong), JSON.stringify(again));
    lines[8] = '{"schema":1,';
    await writeFile(file, lines.join('\n'));
    studies = open();
    expect(await studies.question(id, anna)).toMatchObject({ position: 7 });
    await answerUntil(id, anna, 20, (label) => label);
    expect(await studies.question(id, anna)).toMatchObject({ position: null });
    const { againstLabel } = await studies.report(id);
    expect(againstLabel).toMatchObject([{ operator: anna, agree: 10 }]);
  });

  it('refuses what would spoil it', async () => {
    const { id } = await studies.create(request, 'erin');
    const code = (work: Promise<unknown>) =>
      work.then(
        () => undefined,
        (error) => error.code,
      );
    expect(await code(studies.question(id, 'kim'))).toBe('study-foreign');
    expect(await code(studies.question('2020-01-01.1', anna))).toBe('study-unknown');
    expect(await code(studies.question('../../x', anna))).toBe('study-unknown');
    expect(await code(studies.answer(id, anna, { position: 0, label: 'rust' }))).toBe('label-unknown');
    const both = [1, 2].map(() => code(studies.answer(id, anna, { position: 0, label: 'good' })));
    // A button that is pressed twice answers one question.
    expect((await Promise.all(both)).sort()).toEqual(['study-answered', undefined]);
    expect(await code(studies.questionImage(id, anna, 0))).toBe('study-answered');
    expect(await code(studies.questionImage(id, anna, 5))).toBe('study-answered');
    expect(await code(studies.create({ ...request, parts: 13 }, 'erin'))).toBe('study-impossible');
  });

  it('reports who agrees with whom, the exact intervals, and the disputed parts', async () => {
    const { id } = await studies.create(request, 'erin');
    const { parts } = await fileOf(id);
    const other = { good: 'scratch', scratch: 'good' } as const;
    const flip = (label: string) => other[label as keyof typeof other];
    await answerUntil(id, anna, 20, (label) => label);
    // Ben answers part 0 differently in the second trial, and calls part 1 the opposite in both.
    await answerUntil(id, ben, 20, (label, part, trial) =>
      part === 1 || (part === 0 && trial === 1) ? flip(label) : label,
    );
    const report = await studies.report(id);
    expect(studyReport.parse(report)).toEqual(report);
    expect(report.within).toMatchObject([
      { operator: anna, agree: 10, of: 10, kappa: 1, reading: 'good' },
      { operator: ben, agree: 9, of: 10 },
    ]);
    // Clopper and Pearson for 9 of 10 and 10 of 10.
    expect(report.within[1]!.low).toBeCloseTo(0.555, 3);
    expect(report.within[1]!.high).toBeCloseTo(0.9975, 4);
    expect(report.within[0]!.low).toBeCloseTo(0.6915, 4);
    expect(report.between).toMatchObject({ agree: 8, of: 10 });
    expect(report.pairs).toMatchObject([{ one: anna, other: ben, agree: 17, of: 20 }]);
    expect(report.againstLabel).toMatchObject([
      { operator: anna, agree: 10, missed: { agree: 0, of: 10 }, falseAlarms: { agree: 0, of: 10 } },
      { operator: ben, agree: 8 },
    ]);
    const { missed, falseAlarms } = report.againstLabel[1]!;
    expect(missed.agree + falseAlarms.agree).toBe(3);
    expect(report.allAgainstLabel).toMatchObject({ agree: 8, of: 10 });
    expect(report.disputed.map(({ part }) => part)).toEqual([1, 0]);
    expect(report.disputed[0]).toMatchObject({
      frame: parts[1]!.frame,
      answers: [{ labels: Array(2).fill(parts[1]!.label) }, { labels: Array(2).fill(flip(parts[1]!.label)) }],
    });
    const known = parts.filter(({ head }) => head).length;
    expect(report.head).toMatchObject({ parts: known, missing: 10 - known });
    const wrong = parts.filter(({ head, label }) => head && head.label !== label).length;
    expect(report.head.againstLabel).toMatchObject({ agree: known - wrong, of: known });
    const text = reportText(report);
    expect(text).toContain('ben: 9 of 10, 90.0 % (55.5 % to 99.7 %)');
    expect(text).toContain('candidates for the label "unclear"');
  });
});
