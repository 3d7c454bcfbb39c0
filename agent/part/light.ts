import { median } from '../../models/median.ts';

/** How the light of an image differs from that of the background: `image = gain * background + offset`. */
export interface Light {
  readonly gain: number;
  readonly offset: number;
}

export const sameLight: Light = { gain: 1, offset: 0 };

/** The background as it looks in another light, levels. */
export function inLight({ gain, offset }: Light, level: number): number {
  return Math.min(255, Math.max(0, gain * level + offset));
}

/** The other way round: a level of the image in the light of the background. */
export function outOfLight({ gain, offset }: Light, level: number): number {
  return Math.min(255, Math.max(0, (level - offset) / gain));
}

/**
 * Least squares over the pixels that fit already (within `tolerance`), a few times over, starting from a guess:
 * what does not fit is a part and has no say. The gain is held near the guess where the background has too
 * little contrast to tell gain from offset.
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
      // Clipped pixels tell nothing of gain.
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

/** Guesses after a light step: all brightness changed by a factor, or by an amount. */
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
