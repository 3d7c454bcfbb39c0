/** Finds image files that are masks of other images: in a folder for masks, or named after an image. */
import { posix } from 'node:path';
import {
  foldersOf,
  hasMaskEnding,
  isMaskFolder,
  openKeyOfMask,
  openKeysOfImage,
  partKey,
  stemOf,
} from './folder-names.ts';
import { indexBy } from './locate.ts';
import type { Skipped, SourceFile } from './source.ts';

export interface FoundMasks {
  readonly images: readonly SourceFile[];
  /** By the name of the image. */
  readonly masks: ReadonlyMap<string, readonly SourceFile[]>;
  /** Masks without an image. */
  readonly skipped: readonly Skipped[];
  /** The same name with two extensions in one folder: the pixels show which one is the mask. */
  readonly twins: readonly (readonly SourceFile[])[];
}

export function findMasks(files: readonly SourceFile[]): FoundMasks {
  const inMaskFolder = files.filter(({ name }) => foldersOf(name).some(isMaskFolder));
  const others = files.filter(({ name }) => !foldersOf(name).some(isMaskFolder));
  const ending = others.filter(({ name }) => hasMaskEnding(name));
  const plain = others.filter(({ name }) => !hasMaskEnding(name));
  const byKey = indexBy(plain, ({ name }) => partKey(name));
  const named = ending.filter(({ name }) => byKey.has(partKey(name)));
  const isNamed = new Set(named);
  const images = others.filter((file) => !isNamed.has(file));
  const twins = [...indexBy(images, ({ name }) => [...foldersOf(name), stemOf(name)].join('/')).values()];

  const find = finder(images);
  const masks = new Map<string, SourceFile[]>();
  const skipped: Skipped[] = [];
  for (const mask of [...inMaskFolder, ...named]) {
    const image = find(mask);
    if (image) masks.set(image.name, [...(masks.get(image.name) ?? []), mask]);
    else skipped.push({ file: mask.name, reason: 'a mask (by its folder or name) whose image is not there' });
  }
  return { images, masks, skipped, twins: twins.filter(({ length }) => length > 1) };
}

/**
 * Matches by the whole path without splits and containers; then by its end; then, for several masks in a folder, by the
 * folder; then with a wildcard for a mask word in the middle of the name.
 */
function finder(images: readonly SourceFile[]): (mask: SourceFile) => SourceFile | undefined {
  const byKey = indexBy(images, ({ name }) => partKey(name));
  // MVTec 3D-AD keeps images in `rgb` and masks in `gt`, in parallel.
  const byOuter = indexBy(images, ({ name }) => outer(partKey(name)));
  const byOpenKey = new Map<string, SourceFile[]>();
  for (const image of images) {
    for (const key of openKeysOfImage(partKey(image.name)))
      byOpenKey.set(key, [...(byOpenKey.get(key) ?? []), image]);
  }
  const byStem = indexBy(images, ({ name }) => partKey(name).split('/').at(-1)!);
  const one = (found: readonly SourceFile[] | undefined) => {
    // Training images of MVTec AD have the numbers of test images, and no masks.
    const tested = found?.filter(({ name }) => !/(?:^|\/)(?:train|training)\//i.test(name)) ?? [];
    return found?.length === 1 ? found[0] : tested.length === 1 ? tested[0] : undefined;
  };
  const byEnd = (key: string) =>
    one(
      (byStem.get(key.split('/').at(-1)!) ?? []).filter(({ name }) => {
        const whole = partKey(name);
        return whole.endsWith(`/${key}`) || key.endsWith(`/${whole}`);
      }),
    );
  return ({ name }) => {
    const key = partKey(name);
    const folder = key.split('/').slice(0, -1).join('/');
    const alike = byOuter.get(key)?.filter((image) => posix.extname(image.name) === posix.extname(name));
    const openKey = openKeyOfMask(key);
    const named = openKey === undefined ? undefined : byOpenKey.get(openKey);
    return one(byKey.get(key)) ?? byEnd(key) ?? one(byKey.get(folder)) ?? one(alike) ?? one(named);
  };
}

/** A key without the folder of the image. */
const outer = (key: string) => key.split('/').toSpliced(-2, 1).join('/');
