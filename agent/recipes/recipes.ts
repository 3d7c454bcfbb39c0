/** Which recipe is in force: changed by command, one change at a time, and kept on disk. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { QcError } from '../../config/errors.ts';
import { defaultRecipe } from '../../config/resolve.ts';
import { regionSchema } from '../../config/schema.ts';
import { sealed, unsealed } from '../../models/disk/checksum.ts';
import { isDiskFault } from '../../models/disk/disk-fault.ts';
import { writeDurably } from '../../models/disk/durable.ts';
import { makeFolders } from '../../models/disk/folders.ts';
import type { Region } from '../../models/image.ts';
import type { Log } from '../lifecycle/log.ts';
import type { RecipeBook } from './book.ts';

export const recipeView = z.object({
  name: z.string(),
  description: z.string(),
  active: z.boolean().describe('in force now'),
  head: z.string().nullable().describe('version of its model; null: the active version'),
  regions: z.record(z.string(), regionSchema).describe('by camera'),
  fault: z.string().describe('why it cannot be used; empty if it can'),
});
export type RecipeView = z.output<typeof recipeView>;

/** What a change of recipe needs of a camera. */
export interface RecipeCamera {
  /** @throws QcError camera-region */
  checkRegion(region: Region): void;
  /** The recipe in force has changed: resolves when frames are cropped to its region. */
  recipeChanged(): Promise<void>;
}

export interface RecipesDeps {
  readonly log: Log;
  readonly storageDirectory: string;
  /** Cameras are added as they are opened. */
  readonly cameras: ReadonlyMap<string, RecipeCamera>;
  /** Resolves when the model is loaded. */
  readonly model: () => Promise<{ keepHead(version: string): Promise<void> }>;
  /** Called when another recipe is in force. */
  readonly onChange: () => void;
}

export interface Recipes {
  readonly book: RecipeBook;
  /** The recipe in force. */
  readonly active: string;
  list(): RecipeView[];
  /**
   * Loads the heads of all recipes. A head of another base is only reported: it does not judge, and the line says what to do.
   * @throws QcError if the head of the recipe in force cannot be used for another reason
   */
  loadHeads(): Promise<void>;
  /** Whether a part may be judged by it. @throws QcError recipe-unknown, version-unknown, head-damaged, head-base-mismatch */
  require(recipe: string): Promise<void>;
  /**
   * Puts a recipe in force; resolves when it is stored, its head is loaded, and every camera that is up
   * crops to its region. @throws like `require`, or camera-region; then the previous recipe stays in force
   */
  use(recipe: string): Promise<void>;
}

const recordSchema = z.strictObject({ schema: z.literal([1, 2]), recipe: z.string() });

/** @throws QcError recipe-unknown if the recipe in force is no longer in the configuration */
export async function openRecipes(book: RecipeBook, deps: RecipesDeps): Promise<Recipes> {
  const { cameras, onChange } = deps;
  const log = deps.log.child({ component: 'recipes' });
  const file = join(deps.storageDirectory, 'recipe.json');
  let active = await recordedIn(file, book);
  /** By recipe: why its head cannot be used. */
  const faults = new Map<string, QcError>();
  let last: Promise<unknown> = Promise.resolve();

  /** Reads the head again: it may have been deleted since. */
  async function load(recipe: string): Promise<void> {
    book.require(recipe);
    const head = book.head(recipe);
    if (head === undefined) return;
    try {
      await (await deps.model()).keepHead(head);
      faults.delete(recipe);
    } catch (error) {
      if (error instanceof QcError) faults.set(recipe, error);
      throw error;
    }
  }

  async function putInForce(recipe: string): Promise<void> {
    active = recipe;
    onChange();
    await Promise.all([...cameras.values()].map((camera) => camera.recipeChanged()));
  }

  async function change(recipe: string): Promise<void> {
    await load(recipe);
    for (const [name, camera] of cameras) camera.checkRegion(book.region(recipe, name));
    const before = active;
    await record(file, recipe);
    if (recipe === before) return;
    try {
      await putInForce(recipe);
    } catch (error) {
      await putInForce(before);
      await record(file, before);
      throw error;
    }
    log.info({ recipe, before }, 'another recipe is in force');
  }

  return {
    book,
    get active() {
      return active;
    },
    list: () =>
      book.names.map((name) => ({
        name,
        description: book.description(name) ?? '',
        active: name === active,
        head: book.head(name) ?? null,
        regions: Object.fromEntries([...cameras.keys()].map((camera) => [camera, book.region(name, camera)])),
        fault: faults.get(name)?.line ?? '',
      })),
    async loadHeads() {
      for (const name of book.names) {
        await load(name).catch((error: unknown) => {
          if (!(error instanceof QcError)) throw error;
          if (name === active && error.code !== 'head-base-mismatch') throw error;
          log.warn({ recipe: name, code: error.code }, `the recipe ${name} cannot be used: ${error.line}`);
        });
      }
    },
    async require(recipe) {
      book.require(recipe);
      // Loaded heads stay loaded; those that failed are tried again.
      if (faults.has(recipe)) await load(recipe);
    },
    use(recipe) {
      const changed = last.then(() => change(recipe));
      last = changed.catch(() => undefined);
      return changed;
    },
  };
}

async function record(file: string, recipe: string): Promise<void> {
  await makeFolders(join(file, '..'));
  await writeDurably(
    file,
    `${JSON.stringify(sealed({ recipe }))}
`,
  );
}

async function recordedIn(file: string, book: RecipeBook): Promise<string> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return defaultRecipe;
    // If there is more than one recipe, parts must be judged by the one that was put in force.
    if (isDiskFault(error) && book.names.length === 1) return book.names[0]!;
    const what = `the recipe in force is unknown because ${file} cannot be read: ${(error as Error).message}`;
    throw new QcError('data-damaged', what, { remedy: 'check the disk and its permissions', cause: error });
  }
  const remedy = `correct the configuration, or remove ${file} to start with the recipe ${defaultRecipe}`;
  let recipe: string;
  try {
    ({ recipe } = recordSchema.parse(unsealed(JSON.parse(text))));
  } catch (cause) {
    throw new QcError('data-damaged', `${file} does not say which recipe is in force`, { remedy, cause });
  }
  if (book.names.includes(recipe)) return recipe;
  throw new QcError('recipe-unknown', `the recipe in force, "${recipe}", is not in the configuration`, {
    remedy,
  });
}
