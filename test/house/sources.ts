import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { packageRoot } from '../../config/package.ts';

/** The project's own files below the folders, relative to the package root, by their ending. */
export function sources(folders: readonly string[], ending: string): string[] {
  return folders.flatMap((folder) =>
    readdirSync(join(packageRoot, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
      .map((entry) => relative(packageRoot, join(entry.parentPath, entry.name)))
      .sort(),
  );
}
