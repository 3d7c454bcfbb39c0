/** The active recipe, stored in `<storage>/recipe.json`. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { QcError } from '../../config/errors.ts';
import { defaultRecipe } from '../../config/resolve.ts';
import { sealed, unsealed } from '../../models/disk/checksum.ts';
import { isDiskFault } from '../../models/disk/disk-fault.ts';
import { writeDurably } from '../../models/disk/durable.ts';
import { makeFolders } from '../../models/disk/folders.ts';
import type { RecipeBook } from './book.ts';

export interface RecipeInForce {
  readonly book: RecipeBook;
  /** Name of the active recipe. Setting it does not write it to disk. */
  active: string;
  /** Writes a name to the disk, for the next start. @throws errors of the file system */
  record(recipe: string): Promise<void>;
}

const recordSchema = z.strictObject({ schema: z.literal([1, 2]), recipe: z.string() });

/** @throws QcError recipe-unknown if the recorded recipe is no longer in the configuration, data-damaged */
export async function openRecipeInForce(book: RecipeBook, storageDirectory: string): Promise<RecipeInForce> {
  const file = join(storageDirectory, 'recipe.json');
  return {
    book,
    active: await recordedIn(file, book),
    async record(recipe) {
      await makeFolders(storageDirectory);
      await writeDurably(file, `${JSON.stringify(sealed({ recipe }))}\n`);
    },
  };
}

async function recordedIn(file: string, book: RecipeBook): Promise<string> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return defaultRecipe;
    // If there is more than one recipe, parts must be judged by the one that was activated.
    if (isDiskFault(error) && book.names.length === 1) return book.names[0]!;
    const what = `the active recipe is unknown because ${file} cannot be read: ${(error as Error).message}`;
    throw new QcError('data-damaged', what, { remedy: 'check the disk and its permissions', cause: error });
  }
  const remedy = `correct the configuration, or remove ${file} to start with the recipe ${defaultRecipe}`;
  let recipe: string;
  try {
    ({ recipe } = recordSchema.parse(unsealed(JSON.parse(text))));
  } catch (cause) {
    throw new QcError('data-damaged', `${file} does not contain the name of the active recipe`, {
      remedy,
      cause,
    });
  }
  if (book.names.includes(recipe)) return recipe;
  throw new QcError('recipe-unknown', `the active recipe "${recipe}" is not in the configuration`, {
    remedy,
  });
}
