/**
 * A study on disk: `<storage>/studies/<id>/` with `study.json`, which never changes, `parts/<n>.png`, copies of the images, and
 * `answers.jsonl`. An answer is acknowledged when its line is on disk; an incomplete last line is removed.
 */
import { mkdir, open, readdir, readFile, rename, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { check } from '../../config/check.ts';
import { syncFolder, writeDurably } from '../../models/disk/durable.ts';
import { makeFolders } from '../../models/disk/folders.ts';
import { readLines } from '../../models/disk/lines.ts';
import { type StudyAnswer, type StudyFile, studyAnswer, studyFile, studyId } from './views.ts';

const maxAnswerBytes = 4_096;

const folderIn = (storageDirectory: string) => join(storageDirectory, 'studies');
const answersOf = (storageDirectory: string, id: string) =>
  join(folderIn(storageDirectory), id, 'answers.jsonl');

/** Ids of all studies, newest first. */
export async function studyIds(storageDirectory: string): Promise<string[]> {
  const names = await readdir(folderIn(storageDirectory)).catch(() => []);
  const key = (id: string) => id.replace(/\d+$/, (n) => n.padStart(4, '0'));
  return names.filter((name) => check(studyId, name).success).sort((a, b) => (key(a) < key(b) ? 1 : -1));
}

/** Undefined if there is none with this id, or its file is damaged. */
export async function readStudy(storageDirectory: string, id: string): Promise<StudyFile | undefined> {
  if (!check(studyId, id).success) return undefined;
  try {
    const text = await readFile(join(folderIn(storageDirectory), id, 'study.json'), 'utf8');
    return check(studyFile, JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/**
 * In order of arrival; damaged lines are left out. Of two answers to one question, the last one counts: the first was refused, because the
 * disk did not confirm it. @throws file system errors
 */
export async function readAnswers(storageDirectory: string, id: string): Promise<StudyAnswer[]> {
  const { lines } = await readLines(answersOf(storageDirectory, id), maxAnswerBytes);
  const answers = lines.flatMap((line) => {
    try {
      return check(studyAnswer, JSON.parse(line?.toString('utf8') ?? '')).data ?? [];
    } catch {
      return [];
    }
  });
  return [...new Map(answers.map((one) => [`${one.operator}\n${one.position}`, one])).values()];
}

/** All of it or nothing. @param imageOf part, by index: one image is in memory at a time @throws file system errors; as `imageOf` */
export async function writeStudy(
  storageDirectory: string,
  study: StudyFile,
  imageOf: (part: number) => Promise<Buffer>,
): Promise<void> {
  const folder = folderIn(storageDirectory);
  const draft = join(folder, `${study.id}.draft`);
  await makeFolders(folder);
  await rm(draft, { recursive: true, force: true });
  await mkdir(join(draft, 'parts'), { recursive: true });
  for (const part of study.parts.keys()) await writeDurably(partFile(draft, part), await imageOf(part));
  await writeDurably(join(draft, 'study.json'), `${JSON.stringify(study)}\n`);
  await rename(draft, join(folder, study.id));
  await syncFolder(folder);
}

/** Durable once it resolves; call it again only after that. @throws file system errors */
export async function appendAnswer(storageDirectory: string, id: string, answer: StudyAnswer): Promise<void> {
  const file = answersOf(storageDirectory, id);
  const { length, size } = await readLines(file, maxAnswerBytes);
  if (size > length) await truncate(file, length);
  const handle = await open(file, 'a');
  try {
    await handle.writeFile(`${JSON.stringify(answer)}\n`);
    await handle.sync();
    if (length === 0) await syncFolder(join(folderIn(storageDirectory), id));
  } catch (error) {
    // The answer is refused, so it must not be there after a restart.
    await handle.truncate(length).catch(() => undefined);
    throw error;
  } finally {
    await handle.close();
  }
}

/** PNG. @throws file system errors */
export const readPart = (storageDirectory: string, id: string, part: number): Promise<Buffer> =>
  readFile(partFile(join(folderIn(storageDirectory), id), part));

const partFile = (folder: string, part: number) => join(folder, 'parts', `${part}.png`);
