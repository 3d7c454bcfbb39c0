/** Writes a candidate to the store as a new version. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { QcError } from '../../config/errors.ts';
import { familiarityThreshold } from '../../models/familiarity.ts';
import type { BaseManifest } from '../../models/manifest.ts';
import type { Store } from '../../models/versions/store.ts';
import type { HeldOutAnswers } from './active.ts';
import type { Familiar } from './familiar.ts';
import type { TrainedHead } from './fit.ts';
import type { Report } from './report.ts';
import { type EncodedHead, writeGraph, writeHead } from './write-head.ts';

export interface Candidate {
  readonly base: BaseManifest;
  readonly head: TrainedHead & Familiar;
  /** Minimum peak from which a location is reported; undefined if the head cannot locate defects. */
  readonly minPeak: number | undefined;
  readonly report: Report;
  readonly heldOut: HeldOutAnswers;
  /** The head that it was compared with by the gate; undefined if none was active. */
  readonly against: string | undefined;
  /** Who started the training. */
  readonly by: string;
}

/**
 * @returns its version; it is not promoted
 * @throws QcError dataset-write-failed; partial files are removed
 */
export async function keepCandidate(
  store: Store,
  { base, head, minPeak, report, heldOut, against = 'none', by }: Candidate,
): Promise<string> {
  const { revision, frames, seed, folds, views, penalty, backend, accuracy, macroF1, promised } = report;
  return await keep(store, report, heldOut, (folder) =>
    writeHead(folder, head, {
      base,
      createdAt: new Date(),
      thresholds: report.thresholds,
      familiar: head.minFamiliarity,
      where: minPeak,
      training: {
        method:
          report.hidden > 0
            ? `hidden layer of ${report.hidden}, least squares`
            : 'least squares, cross-validated',
        revision,
        frames,
        seed,
        folds,
        views,
        penalty,
        backend,
        familiarity: head.measure,
        by,
        inputs: head.cells || head.where || head.goodParts ? 'features, stage2, stage3' : 'features',
        ...(head.goodParts && report.goodParts && { goodParts: report.goodParts.parts }),
        ...(head.cells && { places: head.cells.look.by, window: head.cells.window }),
        ...(report.fineTuning?.used && { fineTuned: base.fineTuned?.from ?? base.name }),
        accuracy,
        macroF1,
        promised,
        gate: report.gate.reason,
        allowed: report.gate.allowed,
        against,
      },
    }),
  );
}

export interface GoodOnlyCandidate extends Omit<Candidate, 'head'> {
  readonly head: EncodedHead & { readonly limit: number };
}

/** The same for a head that knows good parts only. */
export async function keepGoodOnly(
  store: Store,
  { base, head, minPeak, report, heldOut, against = 'none', by }: GoodOnlyCandidate,
): Promise<string> {
  const { revision, frames, seed, folds, accuracy, promised } = report;
  return await keep(store, report, heldOut, (folder) =>
    writeGraph(folder, head, {
      base,
      createdAt: new Date(),
      thresholds: report.thresholds,
      familiar: familiarityThreshold,
      scoreLimit: head.limit,
      where: minPeak,
      training: {
        method: 'memory of good parts',
        revision,
        frames,
        seed,
        folds,
        by,
        inputs: 'stage2, stage3',
        accuracy,
        promised,
        gate: report.gate.reason,
        allowed: report.gate.allowed,
        against,
      },
    }),
  );
}

/** @param write manifest.json and head.onnx into a folder */
async function keep(
  store: Store,
  report: Report,
  heldOut: HeldOutAnswers,
  write: (folder: string) => Promise<void>,
): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'qc-candidate-'));
  try {
    await write(folder);
    await writeFile(join(folder, 'report.json'), `${JSON.stringify({ ...report, heldOut }, null, 2)}\n`);
    return await store.add(folder);
  } catch (cause) {
    if (cause instanceof QcError) throw cause;
    throw new QcError('dataset-write-failed', `the candidate cannot be stored: ${(cause as Error).message}`, {
      cause,
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
