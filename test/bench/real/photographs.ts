/** Sets of real photographs for the benchmarks: one folder for each label. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { LabelledFrame } from '../../../calibration/dataset/frame.ts';
import { describeFrames, type FrameFeatures } from '../../../calibration/train/features.ts';
import type { Session } from '../../../models/run/session.ts';
import { refuse } from '../options.ts';

/** Folder of the data; the sets are not part of the repository. */
export const photographs =
  process.env.QC_TEST_DATA ?? fileURLToPath(new URL('../../../../../shared/data', import.meta.url));

export const imagenetWeights = join(photographs, 'bases', 'resnet50v2-imagenet-stage3.onnx');

/** Ends the program with code 1 if one of the paths does not exist. */
export function requirePaths(name: string, paths: readonly string[]): void {
  const absent = paths.find((path) => !existsSync(path));
  if (absent !== undefined) refuse(`${name} cannot run here: there is no ${absent}`, 1);
}

/** The images of `place/<label>/`, in order of their names. @param mostOfLabel maximum number of images of each label */
export function framesOf(place: string, mostOfLabel = Number.POSITIVE_INFINITY): LabelledFrame[] {
  return readdirSync(place, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name: label }) =>
      readdirSync(join(place, label))
        .sort()
        .slice(0, mostOfLabel)
        .map((file) => ({ label, file: join(place, label, file), labelledAt: '', labelledBy: 'set' })),
    )
    .map((frame) => ({ ...frame, id: createHash('sha256').update(frame.file).digest('hex') }));
}

/** Features of the frames; they are cached in the folder. */
export function featuresOfFrames(
  session: Session,
  folder: string,
  frames: readonly LabelledFrame[],
  views: readonly number[] = [0],
): Promise<FrameFeatures[]> {
  return describeFrames(frames, {
    storageDirectory: folder,
    base: session.facts.manifest,
    featuresOf: (image) => session.features(image),
    views,
    onNotice: (text) => console.log(text),
    onProgress: () => undefined,
  });
}
