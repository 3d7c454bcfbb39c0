/** The step of a training that may replace the frozen base by a fine-tuned one. */
import { QcError } from '../../config/errors.ts';
import { openBase } from '../../models/base.ts';
import { install } from '../../models/hubs/install.ts';
import type { BaseManifest } from '../../models/manifest.ts';
import { splitSize } from '../../models/sized.ts';
import { byLabel, rightOf } from '../train/evaluate.ts';
import type { TrainedHead } from '../train/fit.ts';
import type { Report } from '../train/report.ts';
import { compareTuned } from './compare.ts';
import { type FineTuned, type FineTuneOptions, fineTune } from './fine-tune.ts';

export interface TunedCandidate {
  readonly report: NonNullable<Report['fineTuning']>;
  /** Undefined if the frozen base is kept. */
  readonly chosen: FineTuned | undefined;
}

export interface CandidateOptions extends Omit<FineTuneOptions, 'base'> {
  readonly mode: 'off' | 'auto' | 'on';
  readonly base: string;
  /** The head that would be used with the frozen base. */
  readonly frozen: TrainedHead;
  readonly onNotice: (text: string) => void;
}

/** Undefined if it is off, or `auto` and not possible. @throws QcError fine-tune-impossible if it is on; the reason of `signal` */
export async function tunedCandidate({
  mode,
  base: name,
  frozen,
  onNotice,
  ...options
}: CandidateOptions): Promise<TunedCandidate | undefined> {
  if (mode === 'off') return undefined;
  const { described, groups, seed, storageDirectory } = options;
  const began = performance.now();
  try {
    const base = await openBase({ base: name, precision: 'auto', storageDirectory });
    const tuned = await fineTune({ ...options, base });
    const truth = described.map(({ frame }) => frame.label);
    const right = (head: TrainedHead, rows: TrainedHead['heldOut']) =>
      rightOf(byLabel(head.labels, rows), truth);
    const report = compareTuned({
      mode,
      frozen: right(frozen, frozen.heldOut),
      tuned: right(tuned.head, tuned.head.heldOut),
      seen: right(tuned.head, tuned.head.seen),
      frames: described.map(({ frame }) => frame),
      groups,
      seed,
      epochs: tuned.epochs,
      layers: tuned.layers,
      seconds: Number(((performance.now() - began) / 1000).toFixed(1)),
    });
    return { report, chosen: report.used ? tuned : undefined };
  } catch (error) {
    const isImpossible =
      error instanceof QcError && ['fine-tune-impossible', 'quantize-impossible'].includes(error.code);
    if (!isImpossible || mode === 'on') throw error;
    onNotice(`the base is not fine-tuned: ${error.message}`);
    return undefined;
  }
}

/**
 * Writes the base of a candidate to the installed ones; it judges only with the head that was trained with it.
 * @param from the frozen base @param reference its name, or its path
 */
export async function installTuned(
  storageDirectory: string,
  from: BaseManifest,
  reference: string,
  { base: { model, manifest }, epochs }: FineTuned,
): Promise<BaseManifest> {
  const plain = splitSize(from.name).plain;
  const { check: _, quantization: __, cost: ___, ...kept } = manifest;
  // The same training gives the same bytes, so an installed base of this name is the same.
  const name = `${plain}-tuned-${manifest.sha256.slice(0, 8)}`;
  const installed = await install(
    storageDirectory,
    {
      ...kept,
      schema: 2,
      name,
      file: `${name}.onnx`,
      origin: `${from.name}, its last block fine-tuned for ${epochs} epochs on the labelled parts of this station; ${from.origin}`,
      fineTuned: { from: reference, sha256: from.sha256 },
    },
    model,
  );
  return installed.manifest;
}
