/** Finds frames in the dataset that an import would refuse or question. */
import sharp from 'sharp';
import { decodePicture } from '../models/prepare/decode.ts';
import type { LabelledFrame } from './dataset/frame.ts';
import { readFrame } from './dataset/read-frame.ts';
import { spellingIssues } from './dataset/spelling.ts';
import type { Finding } from './finding.ts';
import { isContainer } from './import/folder-names.ts';
import { brightestOf, isTwoLevel, nearlyBlack } from './import/read-image.ts';

/** Labels that differ only in spelling, mean good without being configured so, or are names of folders. */
export function labelFindings(frames: readonly LabelledFrame[], good: readonly string[]): Finding[] {
  const byLabel = new Map<string, string[]>();
  for (const { id, label } of frames) byLabel.set(label, [...(byLabel.get(label) ?? []), id]);
  const counts = new Map(Array.from(byLabel, ([label, ids]) => [label, ids.length]));
  const spelling = spellingIssues(counts, { good }).map(({ kind, label, other, text }): Finding => {
    const merge = other === undefined ? 'give it a descriptive name' : `rename ${label} to ${other}`;
    return {
      kind: 'label-spelling',
      severity: kind === 'typo' ? 'hint' : 'warning',
      text,
      remedy: kind === 'means-good' ? `${merge}, or name it in labels.good of the configuration` : merge,
      frames: byLabel.get(label)!,
    };
  });
  const containers = [...byLabel].filter(([label]) => !good.includes(label) && isContainer(label));
  return [
    ...spelling,
    ...containers.map(([label, ids]): Finding => {
      const text = `${label} (${ids.length}) is the name of a split, a container or a day, and counts as a defect`;
      const remedy =
        'remove these frames and import the images again: labels are now read from other folders';
      return { kind: 'label-is-folder', severity: 'warning', text, remedy, frames: ids };
    }),
  ];
}

/** A PNG with fewer bytes per pixel has very few distinct values: only these are decoded. */
const maxBytesPerPixel = 0.75;

/** Frames that are masks or nearly black. */
export async function emptyFindings(
  frames: readonly LabelledFrame[],
  signal: AbortSignal | undefined,
): Promise<Finding[]> {
  const masks: string[] = [];
  const black: string[] = [];
  for (const frame of frames) {
    signal?.throwIfAborted();
    const bytes = await readFrame(frame).catch(() => undefined);
    const facts =
      bytes &&
      (await sharp(bytes)
        .metadata()
        .catch(() => undefined));
    if (!facts || bytes.length > maxBytesPerPixel * facts.width * facts.height) continue;
    const image = await decodePicture(bytes).catch(() => undefined);
    if (!image) continue;
    if (brightestOf(image) < nearlyBlack) black.push(frame.id);
    else if (isTwoLevel(image)) masks.push(frame.id);
  }
  const say = (kind: Finding['kind'], ids: string[], text: string, remedy: string): Finding[] =>
    ids.length === 0
      ? []
      : [{ kind, severity: 'warning', text: `${ids.length} ${text}`, remedy, frames: ids }];
  return [
    ...say(
      'looks-like-mask',
      masks,
      'frames have only two grey values: they may be masks',
      'remove them; an import reads masks as marks of their images',
    ),
    ...say(
      'nearly-black',
      black,
      'frames are nearly black',
      'remove them; images of 10 to 14 bits are imported with --bits',
    ),
  ];
}
