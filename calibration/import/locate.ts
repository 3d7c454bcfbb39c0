/** Finds the image that an annotation file names: files are moved, renamed and packed after they were annotated. */
import { posix } from 'node:path';
import type { SourceFile } from './source.ts';

export interface Locator {
  /**
   * @param name as in the annotation file: a path, a URL, a name with or without extension
   * @param folder of the annotation file
   * @returns undefined if there is no such image, or more than one
   */
  find(name: string, folder: string): SourceFile | undefined;
}

const beside = ['', 'images', 'JPEGImages', 'img', 'data', '../images', '../JPEGImages', '../img', '..'];
const url = /^[a-z][a-z0-9+.-]*:\/\/[^/]*\//i;
/** Label Studio prepends eight hex digits to the names of uploaded files. */
const uploaded = /^[0-9a-f]{8}-/;

export function createLocator(images: readonly SourceFile[]): Locator {
  const byPath = new Map(images.map((image) => [image.name.normalize('NFC'), image]));
  const byPathStem = indexBy(images, ({ name }) => name.slice(0, name.length - posix.extname(name).length));
  const byName = indexBy(images, ({ name }) => posix.basename(name));
  const byStem = indexBy(images, ({ name }) => posix.basename(name, posix.extname(name)));
  const byUpload = indexBy(images, ({ name }) => posix.basename(name).replace(uploaded, ''));
  // File names on Windows are case-insensitive.
  const byLower = indexBy(images, ({ name }) => posix.basename(name).toLowerCase());

  function look(path: string, folder: string): SourceFile | undefined {
    const name = posix.basename(path);
    const hasEnding = /\.[a-z]{3,4}$/i.test(name);
    for (const place of beside) {
      const at = posix.join(folder, place, path);
      const found = byPath.get(at) ?? (hasEnding ? undefined : only(byPathStem.get(at)));
      if (found) return found;
    }
    const same = byName.get(name) ?? [];
    const tails = same.filter((image) => `/${image.name.normalize('NFC')}`.endsWith(`/${path}`));
    return (
      only(tails) ??
      nearest(same, folder) ??
      only(byUpload.get(name)) ??
      only(byName.get(name.replace(uploaded, ''))) ??
      nearest(byLower.get(name.toLowerCase()) ?? [], folder) ??
      (hasEnding ? undefined : nearest(byStem.get(name) ?? [], folder))
    );
  }

  return {
    find(written, folder) {
      const path = written.normalize('NFC').trim().replaceAll('\\', '/');
      return look(path, folder) ?? look(plain(written), folder);
    },
  };
}

/** The path of a URL, without query and percent-encoding. */
function plain(written: string): string {
  const path = written.normalize('NFC').trim().replaceAll('\\', '/').replace(url, '');
  const local = /[?&]d=([^&]+)/.exec(path)?.[1] ?? path.replace(/[?#].*$/, '');
  return posix.normalize(
    safelyDecoded(local)
      .replace(/^[a-z]:\//i, '')
      .replace(/^\/+/, ''),
  );
}

function safelyDecoded(path: string): string {
  try {
    return path.includes('%') ? decodeURIComponent(path) : path;
  } catch {
    return path;
  }
}

/** Among images with the same name, the one in or below the folder of the annotation file, or below its parent. */
function nearest(images: readonly SourceFile[], folder: string): SourceFile | undefined {
  const below = images.filter(({ name }) => folder === '' || folder === '.' || name.startsWith(`${folder}/`));
  const around = posix.dirname(folder);
  const near = images.filter(({ name }) => around === '.' || name.startsWith(`${around}/`));
  return only(images) ?? only(below) ?? only(near);
}

const only = <T>(list: readonly T[] | undefined): T | undefined => (list?.length === 1 ? list[0] : undefined);

export function indexBy<T>(list: readonly T[], keyOf: (one: T) => string): Map<string, T[]> {
  const map = new Map<string, T[]>();
  for (const one of list) {
    const key = keyOf(one).normalize('NFC');
    const before = map.get(key);
    if (before) before.push(one);
    else map.set(key, [one]);
  }
  return map;
}
