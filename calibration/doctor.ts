/** Finds problems of the labelled frames before training, each with a remedy. */
import sharp from 'sharp';
import type { Config } from '../config/schema.ts';
import { onThisMachine } from '../models/run/providers.ts';
import { openSession } from '../models/run/session.ts';
import { crossValidate, type HeldOutAnswer, learningFindings } from './cross-validate.ts';
import { indexAnnotations } from './dataset/annotations.ts';
import { readDataset } from './dataset/dataset.ts';
import type { LabelledFrame } from './dataset/frame.ts';
import { labelCounts } from './dataset/label-counts.ts';
import { readFrame } from './dataset/read-frame.ts';
import type { Finding } from './finding.ts';
import { emptyFindings, labelFindings } from './import-findings.ts';
import { type MarkedFrames, markFindings } from './mark-findings.ts';
import { isDefectKnown, minFrames } from './train/choose-frames.ts';
import { describeFrames, type FrameFeatures } from './train/features.ts';
import { alike } from './train/groups.ts';
import { minGood } from './train/remember-good.ts';

export interface DoctorDeps {
  readonly onProgress: (done: number, total: number) => void;
  readonly onNotice: (text: string) => void;
  readonly signal?: AbortSignal | undefined;
}

const fairFrames = 10;
/** Maximum ratio between the numbers of frames of two labels. */
const maxImbalance = 20;
/** A label is a likely mistake if another label has at least this probability. */
const minMistakeProbability = 0.8;
/** Maximum number of frames to examine; the newest ones are used. */
const maxFrames = 3_000;

/** @throws QcError model-…; the reason of `signal` */
export async function examine(
  { model, labels, thresholds, storage }: Pick<Config, 'model' | 'labels' | 'thresholds' | 'storage'>,
  { onProgress, onNotice, signal }: DoctorDeps,
): Promise<Finding[]> {
  const { good } = labels;
  const { frames } = await readDataset(storage.directory, onNotice);
  const findings = [...countFindings(frames, good), ...labelFindings(frames, good)];
  if (frames.length === 0) return findings;
  const examined = frames.slice(-maxFrames);
  if (examined.length < frames.length)
    onNotice(`only the newest ${maxFrames} of ${frames.length} frames are examined`);

  const unreadable: { readonly frame: LabelledFrame; readonly reason: string }[] = [];
  await using session = await openSession({ ...onThisMachine(model), storageDirectory: storage.directory });
  const described = await describeFrames(examined, {
    storageDirectory: storage.directory,
    base: session.facts.manifest,
    featuresOf: (image) => session.features(image),
    views: [0],
    onProgress,
    onNotice,
    onUnreadable: (frame, reason) => unreadable.push({ frame, reason }),
    signal,
  });
  for (const { frame, reason } of unreadable) {
    findings.push({
      kind: 'unreadable',
      severity: 'warning',
      text: `${frame.label}/${frame.id.slice(0, 12)} cannot be read: ${reason}`,
      remedy: 'remove it; training leaves it out',
      frames: [frame.id],
    });
  }
  findings.push(...sizeFindings(await sizesOf(described)), ...crossDuplicates(described));
  findings.push(...(await emptyFindings(examined, signal)));
  const validated = await crossValidate(described, { labels, thresholds }, signal);
  findings.push(...likelyMistakes(validated.answers), ...learningFindings(validated));
  const annotations = await indexAnnotations(storage.directory);
  findings.push(
    ...(await markFindings(
      { frames: examined, annotations, good, results: resultsOf(validated.answers) },
      signal,
    )),
  );
  const order = ['error', 'warning', 'hint'];
  return findings.sort((a, b) => order.indexOf(a.severity) - order.indexOf(b.severity));
}

function countFindings(frames: readonly LabelledFrame[], good: readonly string[]): Finding[] {
  const counts = labelCounts(frames.map(({ label }) => label));
  const say = (
    kind: Finding['kind'],
    severity: Finding['severity'],
    text: string,
    remedy: string,
  ): Finding => ({
    kind,
    severity,
    text,
    remedy,
    frames: [],
  });
  if (counts.size === 0) {
    return [
      say(
        'no-frames',
        'error',
        'there are no labelled frames',
        'label parts, or import images: qc-agent dataset import DIR',
      ),
    ];
  }
  const goodParts = frames.filter(({ label }) => good.includes(label)).length;
  if (goodParts > 0 && !isDefectKnown(frames, good)) {
    // Training uses good parts only, regardless of the counts of other labels.
    if (goodParts < minGood) {
      const missing = minGood - goodParts;
      return [
        say(
          'too-few',
          'error',
          `${goodParts} good parts are labelled, training needs at least ${minGood}`,
          `label ${missing} more good parts`,
        ),
      ];
    }
    return [
      say(
        'good-only',
        'hint',
        `no defect has ${minFrames} frames: training uses good parts only (${goodParts})`,
        `label at least ${minFrames} frames of a defect, so that it can be recognised`,
      ),
    ];
  }
  const findings: Finding[] = [];
  if (counts.size === 1) {
    const [only] = counts.keys();
    findings.push(
      say('one-label', 'error', `all frames have the label ${only}`, 'label good parts and bad parts'),
    );
  }
  if (!good.some((label) => counts.has(label))) {
    findings.push(
      say(
        'no-good',
        'error',
        `no frame has a label that means good (${good.join(', ')}): nothing could ever pass`,
        'label good parts, or name the good labels in labels.good of the configuration',
      ),
    );
  }
  const most = Math.max(...counts.values());
  for (const [label, count] of [...counts].sort()) {
    if (count < minFrames) {
      findings.push(
        say(
          'too-few',
          'error',
          `${label} has ${count}, training needs at least ${minFrames}`,
          `label ${fairFrames - count} more of ${label}`,
        ),
      );
    } else if (count < fairFrames) {
      findings.push(
        say(
          'too-few',
          'warning',
          `${label} has only ${count}`,
          `label ${fairFrames - count} more of ${label}`,
        ),
      );
    } else if (most > maxImbalance * count) {
      findings.push(
        say(
          'imbalance',
          'hint',
          `${label} has ${count}, the largest label ${most}`,
          `label more of ${label}`,
        ),
      );
    }
  }
  return findings;
}

/** Width and height of every image, read from its header. */
async function sizesOf(described: readonly FrameFeatures[]): Promise<Map<string, string>> {
  const sizes = new Map<string, string>();
  for (const { frame } of described) {
    // The frame may be removed during the examination.
    const png = await readFrame(frame).catch(() => undefined);
    if (!png) continue;
    const { width, height } = await sharp(png).metadata();
    sizes.set(frame.id, `${width} × ${height}`);
  }
  return sizes;
}

/** Images of another size than nearly all others: another camera or region. */
function sizeFindings(sizes: ReadonlyMap<string, string>): Finding[] {
  const bySize = new Map<string, string[]>();
  for (const [id, size] of sizes) bySize.set(size, [...(bySize.get(size) ?? []), id]);
  const [common, ...others] = [...bySize].sort(([, a], [, b]) => b.length - a.length);
  if (!common || common[1].length < 0.8 * sizes.size) return [];
  return others.map(([size, frames]) => ({
    kind: 'odd-size',
    severity: 'hint',
    text: `${frames.length} frames are ${size}, nearly all others ${common[0]}`,
    remedy: 'check whether they show the same region of the same part',
    frames,
  }));
}

/** Near-duplicates with different labels: one of them is wrong. */
function crossDuplicates(described: readonly FrameFeatures[]): Finding[] {
  return alike(described, (a, b) => a.frame.label !== b.frame.label).map(({ a, b }) => {
    const [one, other] = [described[a]!.frame, described[b]!.frame];
    return {
      kind: 'near-duplicates',
      severity: 'warning',
      text: `nearly identical images are labelled ${one.label} and ${other.label}`,
      remedy: 'check both, and give them the same label',
      frames: [one.id, other.id],
    };
  });
}

function resultsOf(answers: readonly HeldOutAnswer[]): MarkedFrames['results'] {
  return new Map(
    answers.map(({ described: { frame }, said, own }) => [frame.id, { isMissed: said !== frame.label, own }]),
  );
}

/** Labels that contradict a confident cross-validated answer. */
function likelyMistakes(tried: readonly HeldOutAnswer[]): Finding[] {
  return tried
    .filter(
      ({ described, said, probability }) =>
        said !== described.frame.label && probability >= minMistakeProbability,
    )
    .sort((a, b) => b.probability - a.probability)
    .map(({ described: { frame, features }, said, probability }) => ({
      kind: 'likely-mistake',
      severity: 'warning',
      text: `labelled ${frame.label}, but classified as ${said} (${Math.round(probability * 100)} %)`,
      remedy: `check it; if it is ${said}, change its label`,
      frames: [frame.id],
      suggestion: said,
      beside: mostSimilar(tried, features, said).frame.id,
    }));
}

/** The frame of a label with the most similar features. */
function mostSimilar(tried: readonly HeldOutAnswer[], features: Float32Array, label: string): FrameFeatures {
  const cosine = (a: Float32Array, b: Float32Array) =>
    a.reduce((sum, value, d) => sum + value * b[d]!, 0) /
    Math.sqrt(b.reduce((sum, value) => sum + value ** 2, 1e-12));
  return tried
    .map(({ described }) => described)
    .filter(({ frame }) => frame.label === label)
    .reduce((best, one) => (cosine(features, one.features) > cosine(features, best.features) ? one : best));
}
