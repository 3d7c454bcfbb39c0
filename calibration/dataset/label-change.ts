/** Renames, merges and deletes labels, with a preview of the effects. */
import { QcError } from '../../config/errors.ts';
import { checkLabelName } from '../../config/label-name.ts';
import type { Config } from '../../config/schema.ts';
import type { Dataset } from './dataset.ts';
import type { Author } from './state.ts';
import type { DatasetView } from './view.ts';

/** `rename` creates a new label, `merge` adds the frames to one in use. */
export type LabelChange =
  | { readonly kind: 'rename' | 'merge'; readonly label: string; readonly to: string }
  | { readonly kind: 'delete'; readonly label: string };

/** Users of labels besides the dataset. */
export interface LabelUsers {
  /** Labels that mean a good part. */
  readonly good: readonly string[];
  readonly heads: readonly {
    readonly version: string;
    readonly active: boolean;
    readonly labels: readonly string[];
  }[];
  /** Recipe → labels with a fail threshold. */
  readonly thresholds: ReadonlyMap<string, readonly string[]>;
}

/** @param heads every version in the store */
export function labelUsers(
  { labels: { good }, recipes }: Pick<Config, 'labels' | 'recipes'>,
  heads: LabelUsers['heads'],
): LabelUsers {
  const ofRecipes = Object.entries(recipes).map(
    ([recipe, { thresholds }]) => [recipe, Object.keys(thresholds.failByLabel ?? {})] as const,
  );
  return { good, heads, thresholds: new Map(ofRecipes) };
}

export interface LabelChangePreview {
  /** Number of frames that get another label or are removed. */
  readonly frames: number;
  /** Number of frames that already have the other label. */
  readonly others: number;
  /** Other consequences, one sentence each. */
  readonly effects: readonly string[];
}

/**
 * Previews a change. Changes nothing.
 * @throws QcError label-unknown, label-exists, label-invalid, label-configured
 */
export function previewLabelChange(
  { counts }: Pick<DatasetView, 'counts'>,
  change: LabelChange,
  users: LabelUsers,
): LabelChangePreview {
  const { label } = change;
  const frames = counts.get(label);
  if (frames === undefined) throw new QcError('label-unknown', `no frame has the label "${label}"`);
  const to = change.kind === 'delete' ? undefined : change.to;
  const others = to === undefined ? 0 : (counts.get(to) ?? 0);
  if (change.kind === 'rename') {
    checkLabelName(
      change.to,
      [...users.good, ...counts.keys()].filter((one) => one !== label),
    );
    if (others > 0) throw new QcError('label-exists', `${others} frames have the label "${to}" already`);
  } else if (change.kind === 'merge' && others === 0) {
    throw new QcError('label-unknown', `no frame has the label "${to}"`);
  }
  if (to !== undefined && users.good.includes(label) && !users.good.includes(to)) {
    throw new QcError(
      'label-configured',
      `labels.good names "${label}": as "${to}" its ${frames} frames would count as defects`,
    );
  }
  return { frames, others, effects: effectsOf(label, to, frames, users) };
}

/** Makes the change. @throws QcError as the preview, and dataset-write-failed */
export async function changeLabel(
  dataset: Dataset,
  change: LabelChange,
  author: Author,
  users: LabelUsers,
): Promise<LabelChangePreview> {
  const preview = previewLabelChange(dataset, change, users);
  if (change.kind === 'delete') await dataset.deleteLabel(change.label, author);
  else await dataset[change.kind](change.label, change.to, author);
  return preview;
}

function effectsOf(
  label: string,
  to: string | undefined,
  frames: number,
  { good, heads, thresholds }: LabelUsers,
): string[] {
  const effects: string[] = [];
  const knowing = heads.filter(({ labels }) => labels.includes(label));
  const active = knowing.find((one) => one.active);
  const until = 'until a version that is trained after this change is promoted';
  if (active) effects.push(`The active version ${active.version} continues to predict "${label}" ${until}.`);
  const idle = knowing.length - (active ? 1 : 0);
  if (idle > 0) {
    effects.push(
      `${idle} other ${idle === 1 ? 'version has' : 'versions have'} the label "${label}" and would predict it if promoted.`,
    );
  }
  if (to !== undefined && !good.includes(label) && good.includes(to)) {
    effects.push(`From now on these ${frames} frames count as good parts.`);
  }
  if (to === undefined && good.includes(label)) {
    effects.push('Without frames of good parts no model version can be trained.');
  }
  for (const [recipe, labels] of thresholds) {
    if (labels.includes(label)) {
      effects.push(`Recipe ${recipe} has a fail threshold for "${label}": change the configuration, too.`);
    }
  }
  return effects;
}
