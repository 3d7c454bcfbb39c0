/**
 * Attribute gage R&R: operators label the same parts at least twice, blind. A question shows an image and the names of the
 * labels, and nothing else: no label, no prediction, no id by which the part could be found elsewhere. The labels of the dataset
 * do not change.
 */
import { randomInt } from 'node:crypto';
import { QcError } from '../../config/errors.ts';
import type { LabelledFrame } from '../dataset/frame.ts';
import { readFrame } from '../dataset/read-frame.ts';
import { seededRandom } from '../train/random.ts';
import { appendAnswer, readAnswers, readPart, readStudy, studyIds, writeStudy } from './files.ts';
import { chooseParts, orderOf } from './plan.ts';
import { reportOf, summaryOf } from './report.ts';
import type {
  StudyAnswer,
  StudyFile,
  StudyQuestion,
  StudyReport,
  StudyRequest,
  StudySummary,
} from './views.ts';

export interface Studies {
  /** Newest first. @param asker whose own progress is included */
  list(asker?: string): Promise<StudySummary[]>;
  /** @throws QcError study-impossible, study-write-failed */
  create(request: StudyRequest, by: string): Promise<StudySummary>;
  /** The next question of an operator. @throws QcError study-unknown, study-foreign */
  question(id: string, operator: string): Promise<StudyQuestion>;
  /** PNG of a question that was asked. @throws QcError study-unknown, study-foreign, study-answered, frame-unknown */
  questionImage(id: string, operator: string, position: number): Promise<Buffer>;
  /**
   * Durable once it resolves; returns the next question.
   * @throws QcError study-unknown, study-foreign, study-answered, label-unknown, study-write-failed
   */
  answer(
    id: string,
    operator: string,
    answer: { readonly position: number; readonly label: string },
  ): Promise<StudyQuestion>;
  /** @throws QcError study-unknown */
  report(id: string): Promise<StudyReport>;
  /** PNG. @throws QcError study-unknown, frame-unknown */
  partImage(id: string, part: number): Promise<Buffer>;
}

export interface StudiesDeps {
  readonly good: () => readonly string[];
  readonly frames: () => Promise<readonly LabelledFrame[]>;
}

interface Opened {
  readonly study: StudyFile;
  readonly answers: StudyAnswer[];
}

/** Reads and writes nothing before it is asked. */
export function createStudies(storageDirectory: string, { good, frames }: StudiesDeps): Studies {
  const opened = new Map<string, Promise<Opened | undefined>>();
  let writing: Promise<unknown> = Promise.resolve();

  /** One write after the other. */
  function write<T>(work: () => Promise<T>): Promise<T> {
    const written = writing.then(work);
    writing = written.catch(() => undefined);
    return written;
  }

  async function read(id: string): Promise<Opened | undefined> {
    const study = await readStudy(storageDirectory, id);
    return study && { study, answers: await readAnswers(storageDirectory, id) };
  }
  /** Kept in memory, since only this process adds answers. */
  async function find(id: string): Promise<Opened> {
    const known = opened.get(id) ?? read(id);
    opened.set(id, known);
    const found = await known.catch(() => undefined);
    if (found) return found;
    opened.delete(id);
    throw new QcError('study-unknown', `there is no study "${id.slice(0, 40)}", or its file is damaged`);
  }

  function numberOf({ study }: Opened, operator: string): number {
    const index = study.operators.indexOf(operator);
    if (index >= 0) return index;
    throw new QcError('study-foreign', `${operator} is not an operator of study ${study.id}`, {
      remedy: `log in as one of: ${study.operators.join(', ')}`,
    });
  }
  /** The first question without an answer: a damaged line leaves a gap, which is asked again. */
  function answered({ study, answers }: Opened, operator: string): number {
    const known = new Set(answers.flatMap((one) => (one.operator === operator ? [one.position] : [])));
    const questions = study.parts.length * study.trials;
    let position = 0;
    while (position < questions && known.has(position)) position++;
    return position;
  }

  function questionOf(one: Opened, operator: string): StudyQuestion {
    const { id, name, labels, parts, trials } = one.study;
    const questions = parts.length * trials;
    const position = answered(one, operator);
    return { id, name, labels, questions, position: position < questions ? position : null };
  }

  async function image(id: string, part: number): Promise<Buffer> {
    try {
      return await readPart(storageDirectory, id, part);
    } catch (cause) {
      throw new QcError('frame-unknown', `study ${id} has no image of part ${part}`, { cause });
    }
  }

  async function create(request: StudyRequest, by: string): Promise<StudySummary> {
    const seed = randomInt(2 ** 31);
    const all = await frames();
    const chosen = chooseParts(all, request.parts, seededRandom(seed));
    const goodNames = good();
    const names = [...new Set([...goodNames, ...all.map(({ label }) => label)])];
    if (chosen.length < request.parts || new Set(chosen.map(({ label }) => label)).size < 2) {
      const found = `${chosen.length} labelled parts of ${new Set(chosen.map(({ label }) => label)).size} labels`;
      throw new QcError('study-impossible', `the dataset has ${found}`, {
        remedy: `label at least ${request.parts} different parts of at least two labels, or ask for fewer parts`,
      });
    }
    const createdAt = new Date().toISOString();
    const day = createdAt.slice(0, 10);
    const numbers = (await studyIds(storageDirectory))
      .filter((id) => id.startsWith(day))
      .map((id) => Number(id.slice(day.length + 1)));
    const study: StudyFile = {
      ...request,
      schema: 1,
      id: `${day}.${Math.max(0, ...numbers) + 1}`,
      createdAt,
      createdBy: by,
      seed,
      labels: names.map((name) => ({ name, good: goodNames.includes(name) })),
      parts: chosen.map(({ id, label, judged }) => ({
        frame: id,
        label,
        head: judged ? { label: judged.label, version: judged.version } : null,
      })),
    };
    try {
      await writeStudy(storageDirectory, study, (part) => readFrame(chosen[part]!));
    } catch (cause) {
      throw new QcError('study-write-failed', `the study cannot be stored: ${(cause as Error).message}`, {
        cause,
      });
    }
    return summaryOf(study, [], by);
  }

  return {
    async list(asker) {
      const all: StudySummary[] = [];
      for (const id of await studyIds(storageDirectory)) {
        // A damaged one is left out.
        const one = await find(id).catch(() => undefined);
        if (one) all.push(summaryOf(one.study, one.answers, asker));
      }
      return all;
    },
    create: (request, by) => write(() => create(request, by)),
    async question(id, operator) {
      const one = await find(id);
      numberOf(one, operator);
      return questionOf(one, operator);
    },
    async questionImage(id, operator, position) {
      const one = await find(id);
      const order = orderOf({ ...one.study, parts: one.study.parts.length }, numberOf(one, operator));
      if (position !== answered(one, operator))
        throw new QcError('study-answered', `question ${position + 1} is not the current one`);
      return image(id, order[position] ?? -1);
    },
    answer: (id, operator, { position, label }) =>
      write(async () => {
        const one = await find(id);
        const { study, answers } = one;
        const order = orderOf({ ...study, parts: study.parts.length }, numberOf(one, operator));
        const part = order[position];
        if (part === undefined || position !== answered(one, operator))
          throw new QcError('study-answered', `question ${position + 1} is not the current one`);
        if (!study.labels.some(({ name }) => name === label)) {
          const remedy = `use one of: ${study.labels.map(({ name }) => name).join(', ')}`;
          throw new QcError('label-unknown', `study ${id} has no label "${label}"`, { remedy });
        }
        const at = new Date().toISOString();
        const next: StudyAnswer = { schema: 1, operator, position, part, label, at };
        try {
          await appendAnswer(storageDirectory, id, next);
        } catch (cause) {
          const message = `the answer cannot be stored: ${(cause as Error).message}`;
          throw new QcError('study-write-failed', message, { cause });
        }
        answers.push(next);
        return questionOf(one, operator);
      }),
    async report(id) {
      const { study, answers } = await find(id);
      return reportOf(study, answers);
    },
    async partImage(id, part) {
      await find(id);
      return image(id, part);
    },
  };
}
