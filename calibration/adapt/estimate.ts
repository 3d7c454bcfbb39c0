/** Estimates the change of light and focus between labelled images and recent ones, and whether it is larger than chance. */
import type { Image } from '../../models/image.ts';
import { changeImage, type Imaging, type ImagingChange, imagingOf } from '../dataset/imaging.ts';
import { spacedOut } from '../train/draw.ts';
import { weightedMean } from '../train/weighted-mean.ts';

export interface Known {
  readonly imaging: Imaging;
  /** Its pixels; called for some images only. */
  readonly read: () => Promise<Image>;
  /** Share of the recent parts that are like this one; the shares need not sum to 1. */
  readonly weight: number;
}

export interface Estimate {
  readonly change: ImagingChange;
  readonly light: Measured;
  readonly focus: Measured;
}

/** A change in one respect. */
export interface Measured {
  /** Whether it is larger than parts differ by chance, and large enough to matter. */
  readonly isChanged: boolean;
  /** For the operator. */
  readonly sentence: string;
}

/** A difference must be this many standard errors. */
const certain = 4;
/** Smaller changes of brightness or contrast do not matter. */
const minLight = 0.04;
/** Detail must fall below this share; noise and the mix of parts change it by less. */
const maxDetail = 0.85;
/** Candidates, as shares of the shorter side. */
const blurs = [0.002, 0.003, 0.004, 0.005, 0.0065, 0.008, 0.01, 0.0125, 0.016, 0.02];
/** Number of images that the blur is measured on. */
const blurred = 24;

/** @param known images from before, at least two @param recent at least two */
export async function estimateChange(known: readonly Known[], recent: readonly Imaging[]): Promise<Estimate> {
  const before = known.map(({ imaging, weight }) => ({ imaging, weight }));
  const now = recent.map((imaging) => ({ imaging, weight: 1 }));
  const isLight = [0, 1, 2].some(
    (c) =>
      differs(before, now, ({ mean }) => mean[c]!) ||
      differs(before, now, (one) => Math.sqrt(varianceOf(one, c))),
  );
  const light = isLight ? lightBetween(before, now) : sameLight;

  const detailNow = meanOf(now, ({ detail }) => detail);
  const sample = spacedOut(known, blurred);
  const images = await Promise.all(sample.map(({ read }) => read()));
  const detailAt = async (blur: number) => {
    const details: number[] = [];
    for (const image of images) {
      details.push(imagingOf(await changeImage(image, { ...light, blur })).detail);
    }
    const weights = sample.map(({ weight }) => weight);
    return weightedMean(details, weights);
  };
  const remaining = detailNow / Math.max(1e-9, await detailAt(0));
  const isFocus =
    remaining < maxDetail && differs(before, now, (one) => Math.log((one.detail + 1e-6) / contrastOf(one)));
  let blur = 0;
  if (isFocus) {
    let smallest = Number.POSITIVE_INFINITY;
    for (const candidate of blurs) {
      const off = Math.abs(Math.log(Math.max(1e-9, await detailAt(candidate)) / Math.max(1e-9, detailNow)));
      if (off < smallest) [smallest, blur] = [off, candidate];
    }
  }
  return {
    change: { ...light, blur },
    light: { isChanged: isLight, sentence: lightSentence(before, now, isLight) },
    focus: { isChanged: isFocus, sentence: focusSentence(remaining, isFocus) },
  };
}

interface Weighted {
  readonly imaging: Imaging;
  readonly weight: number;
}
type Light = Pick<ImagingChange, 'gain' | 'offset'>;

const sameLight: Light = { gain: [1, 1, 1], offset: [0, 0, 0] };

/** Gain and offset that bring mean and deviation of all pixels from one set to the other. */
function lightBetween(before: readonly Weighted[], now: readonly Weighted[]): Light {
  const [red, green, blue] = ([0, 1, 2] as const).map((c) => {
    const [from, to] = [pixelsOf(before, c), pixelsOf(now, c)];
    const gain = Math.min(4, Math.max(0.25, to.deviation / from.deviation));
    return { gain, offset: to.mean - gain * from.mean };
  });
  return {
    gain: [red!.gain, green!.gain, blue!.gain],
    offset: [red!.offset, green!.offset, blue!.offset],
  };
}

/** Whether the means differ by more than chance and by more than `minLight` of their size. */
function differs(
  before: readonly Weighted[],
  now: readonly Weighted[],
  of: (one: Imaging) => number,
): boolean {
  const [a, b] = [momentsOf(before, of), momentsOf(now, of)];
  const error = Math.sqrt(a.variance / a.count + b.variance / b.count);
  const difference = Math.abs(a.mean - b.mean);
  return difference > certain * error && difference > minLight * Math.abs(a.mean);
}

/** The effective number of images is lower with uneven weights (Kish 1965). */
function momentsOf(of: readonly Weighted[], value: (one: Imaging) => number) {
  const total = of.reduce((sum, { weight }) => sum + weight, 0);
  const squares = of.reduce((sum, { weight }) => sum + weight * weight, 0);
  const mean = meanOf(of, value);
  const variance = of.reduce((sum, one) => sum + (one.weight / total) * (value(one.imaging) - mean) ** 2, 0);
  return { mean, variance, count: Math.max(2, (total * total) / squares) };
}

/** Mean and standard deviation of all pixels of a channel. */
function pixelsOf(of: readonly Weighted[], channel: number) {
  const mean = meanOf(of, (one) => one.mean[channel]!);
  const square = meanOf(of, (one) => one.square[channel]!);
  return { mean, deviation: Math.sqrt(Math.max(1, square - mean * mean)) };
}

const varianceOf = ({ mean, square }: Imaging, c: number) => Math.max(1e-9, square[c]! - mean[c]! ** 2);
const contrastOf = (one: Imaging) => (varianceOf(one, 0) + varianceOf(one, 1) + varianceOf(one, 2)) / 3;
const meanOf = (of: readonly Weighted[], value: (one: Imaging) => number) =>
  weightedMean(
    of.map(({ imaging }) => value(imaging)),
    of.map(({ weight }) => weight),
  );

function lightSentence(before: readonly Weighted[], now: readonly Weighted[], isChanged: boolean): string {
  if (!isChanged) return 'light: as on the labelled parts';
  const ratios = [0, 1, 2].map(
    (c) =>
      meanOf(now, ({ mean }) => mean[c]!) /
      Math.max(
        1,
        meanOf(before, ({ mean }) => mean[c]!),
      ),
  );
  const [red, green, blue] = ratios.map(signed);
  const isColour = Math.max(...ratios) - Math.min(...ratios) > minLight;
  const brightness = isColour ? `red ${red}, green ${green}, blue ${blue}` : `brightness ${green}`;
  const contrast = signed(pixelsOf(now, 1).deviation / pixelsOf(before, 1).deviation);
  return `light: ${brightness}, contrast ${contrast}, compared with the labelled parts`;
}

/** A ratio as a change: 1.2 → +20 %. */
const signed = (ratio: number) => `${ratio >= 1 ? '+' : '−'}${Math.round(100 * Math.abs(ratio - 1))} %`;

function focusSentence(remaining: number, isChanged: boolean): string {
  return isChanged
    ? `focus: ${Math.round(100 * remaining)} % of the detail of the labelled parts remains`
    : 'focus: as on the labelled parts';
}
