import { median } from '../../models/median.ts';

/** Difference between the light of an image and that of the background: `image = gain * background + offset`. */
export interface Light {
  readonly gain: number;
  readonly offset: number;
}

export const sameLight: Light = { gain: 1, offset: 0 };

/** A level of the background in another light. */
export function inLight({ gain, offset }: Light, level: number): number {
  return Math.min(255, Math.max(0, gain * level + offset));
}

/** The inverse: a level of the image in the light of the background. */
export function outOfLight({ gain, offset }: Light, level: number): number {
  return Math.min(255, Math.max(0, (level - offset) / gain));
}

/**
 * Iterated least squares over the pixels that fit within `tolerance`, starting from a guess: other pixels belong to a part
 * and are ignored. The gain stays near the guess if the background has too little contrast to distinguish gain from offset.
 */
export function refineLight(
  background: Float32Array,
  luma: Float32Array,
  tolerance: Float32Array,
  guess: Light,
  rounds: readonly number[],
): Light {
  let light = guess;
  for (const widen of rounds) {
    let n = 0;
    let sumB = 0;
    let sumI = 0;
    let sumBB = 0;
    let sumBI = 0;
    for (let at = 0; at < luma.length; at++) {
      const b = background[at]!;
      const i = luma[at]!;
      // Clipped pixels contain no information about the gain.
      if (i > 252 || Math.abs(i - inLight(light, b)) > widen * tolerance[at]!) continue;
      n++;
      sumB += b;
      sumI += i;
      sumBB += b * b;
      sumBI += b * i;
    }
    if (n < luma.length / 8) return light;
    const meanB = sumB / n;
    const meanI = sumI / n;
    const stiffness = n * 25;
    const gain =
      (sumBI - n * meanB * meanI + stiffness * light.gain) / (sumBB - n * meanB * meanB + stiffness);
    const held = Math.min(5, Math.max(0.1, gain));
    light = { gain: held, offset: meanI - held * meanB };
  }
  return light;
}

/** Guesses after a light step: the brightness changed by a factor, or by an offset. */
export function guessLight(background: Float32Array, luma: Float32Array): Light[] {
  const [b, i] = [median(sample(background)), median(sample(luma))];
  return [
    { gain: b > 0 ? i / b : 1, offset: 0 },
    { gain: 1, offset: i - b },
  ];
}

/** Every seventh value: enough for a median, and a tenth of the time to sort. */
export function sample(values: Float32Array): Float32Array {
  return Float32Array.from({ length: Math.ceil(values.length / 7) }, (_, n) => values[7 * n]!);
}
