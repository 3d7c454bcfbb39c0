/** Paths of evidence; they depend only on the id of the result. */
import { join } from 'node:path';
import { decodeTime } from 'ulid';

/** A ULID: no other input becomes part of a path. */
const form = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;

export interface EvidencePaths {
  readonly folder: string;
  /** The judged image, JPEG. */
  readonly picture: string;
  /** Its result, JSON. */
  readonly sidecar: string;
}

export const isResultId = (text: string): boolean => form.test(text);

/** Time of the result, ms since the epoch. @param resultId a ULID */
export const madeAt = (resultId: string): number => decodeTime(resultId);

/** Files of a result, in a folder per day (UTC); undefined if the id is not valid. */
export function pathsOf(directory: string, resultId: string): EvidencePaths | undefined {
  if (!isResultId(resultId)) return undefined;
  const folder = join(directory, dayOf(madeAt(resultId)));
  const file = join(folder, resultId);
  return { folder, picture: `${file}.jpg`, sidecar: `${file}.json` };
}

function dayOf(time: number): string {
  return new Date(time).toISOString().split('T')[0]!;
}
