/** The inspections of all cameras, by name of the camera; added as they are opened. */
import { QcError } from '../config/errors.ts';
import type { CameraView } from './http/views.ts';
import type { Inspection } from './inspection.ts';
import type { Handshake, Result } from './publish/messages.ts';

export class Inspections extends Map<string, Inspection> {
  get feeds(): Inspection['feed'][] {
    return [...this.values()].map(({ feed }) => feed);
  }

  get views(): CameraView[] {
    return [...this.values()].map(({ view }) => view);
  }

  /** Handshakes of the cameras that a PLC triggers. */
  get handshakes(): Handshake[] {
    return [...this.values()].flatMap(({ handshake }) => handshake?.view ?? []);
  }

  /** The result of a job of any camera; undefined if it does not arrive in time. @throws QcError job-unknown */
  async resultOfJob(jobId: string, waitMs: number): Promise<Result | undefined> {
    for (const { handshake } of this.values()) {
      if (handshake?.knows(jobId)) return handshake.result(jobId, waitMs);
    }
    throw new QcError('job-unknown', `there is no job "${jobId.slice(0, 64)}" in this session`);
  }
}
