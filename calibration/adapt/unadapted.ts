/**
 * How a head without adaptation judges the labelled parts after the change. The active head itself cannot be asked: it was trained on the
 * same parts and remembers them, also when they are blurred. So heads are trained on unchanged images of the other parts.
 */
import { argmax } from '../../models/argmax.ts';
import { probabilitiesOf } from '../../models/head.ts';
import type { LabelledFrame } from '../dataset/frame.ts';
import { type Example, fitHead, type TrainedHead } from '../train/fit.ts';
import { foldsOf } from '../train/folds.ts';

const folds = 5;

/**
 * @param examples of `frames`: unchanged ones and copies; the copies of a part are in its group
 * @param like the adapted head: its views are used
 * @returns for each copy, whether it is judged correctly; undefined for an unchanged frame
 * @throws the reason of `signal`
 */
export async function judgedWithout(
  frames: readonly Pick<LabelledFrame, 'changed'>[],
  examples: readonly Example[],
  like: Pick<TrainedHead, 'views'>,
  { seed, signal }: { readonly seed: number; readonly signal?: AbortSignal | undefined },
): Promise<(boolean | undefined)[]> {
  const right: (boolean | undefined)[] = examples.map(() => undefined);
  const fold = foldsOf(examples, folds, seed);
  for (let held = 0; held < folds; held++) {
    const others = examples.filter((_, i) => fold[i] !== held && !frames[i]!.changed);
    // With few parts, all those of a label may be in one fold.
    if (new Set(others.map(({ label }) => label)).size < 2) continue;
    const head = await fitHead(others, { seed, signal, viewSets: [like.views] });
    examples.forEach(({ views, label }, i) => {
      if (fold[i] !== held || !frames[i]!.changed) return;
      right[i] = head.labels[argmax(probabilitiesOf(head, views.get(0)!))] === label;
    });
  }
  return right;
}
