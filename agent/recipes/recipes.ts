/** Changes the active recipe by command, one change at a time. */
import { z } from 'zod';
import { regionSchema } from '../../config/camera-schema.ts';
import { QcError } from '../../config/errors.ts';
import type { Region } from '../../models/image.ts';
import { sameRegion } from '../camera/live-region.ts';
import type { Log } from '../lifecycle/log.ts';
import { openBook, type RegionSettings } from './book.ts';
import type { RecipeInForce } from './in-force.ts';

export const recipeView = z.object({
  name: z.string(),
  description: z.string(),
  active: z.boolean().describe('whether it is active now'),
  head: z.string().nullable().describe('model version of the recipe; null: the active version'),
  regions: z.record(z.string(), regionSchema).describe('by camera'),
  fault: z.string().describe('why it cannot be used; empty if it can'),
});
export type RecipeView = z.output<typeof recipeView>;

/** Interface of a camera for a change of recipe. */
export interface RecipeCamera {
  /** @throws QcError camera-region */
  checkRegion(region: Region): void;
  /** To be called when the active recipe or its region has changed: resolves when frames are cropped to it. */
  recipeChanged(): Promise<void>;
}

export interface RecipesDeps {
  readonly log: Log;
  /** Cameras are added as they are opened. */
  readonly cameras: ReadonlyMap<string, RecipeCamera>;
  /** Resolves when the model is loaded. */
  readonly model: Promise<{ keepHead(version: string): Promise<void> }>;
  /** Called when the active recipe has changed. */
  readonly onChange: () => void;
}

export interface Recipes {
  list(): RecipeView[];
  /**
   * Loads the heads of all recipes. A head of another base is only reported: it does not judge, and the message contains a
   * remedy.
   * @throws QcError if the head of the active recipe cannot be used for another reason
   */
  loadHeads(): Promise<void>;
  /**
   * Checks whether a part may be judged by it. @throws QcError recipe-unknown, version-unknown, head-damaged,
   * head-base-mismatch
   */
  require(recipe: string): Promise<void>;
  /**
   * Activates a recipe; resolves when it is stored, its head is loaded, and every camera that is up crops to its region.
   * @throws like `require`, or camera-region; then the previous recipe stays active
   */
  use(recipe: string): Promise<void>;
  /**
   * Replaces the regions of cameras and recipes; resolves when every camera that is up crops to its region.
   * @throws QcError camera-region; then nothing is changed
   */
  useRegions(settings: RegionSettings): Promise<void>;
}

export function createRecipes(inForce: RecipeInForce, deps: RecipesDeps): Recipes {
  const { book } = inForce;
  const { cameras, onChange } = deps;
  const log = deps.log.child({ component: 'recipes' });
  /** Why a head cannot be used, by recipe. */
  const faults = new Map<string, QcError>();
  let last: Promise<unknown> = Promise.resolve();

  /** Reads the head again: it may have been deleted since. */
  async function load(recipe: string): Promise<void> {
    book.require(recipe);
    const head = book.head(recipe);
    if (head === undefined) return;
    try {
      await (await deps.model).keepHead(head);
      faults.delete(recipe);
    } catch (error) {
      if (error instanceof QcError) faults.set(recipe, error);
      throw error;
    }
  }

  async function putInForce(recipe: string): Promise<void> {
    inForce.active = recipe;
    onChange();
    await cutByBook();
  }

  async function change(recipe: string): Promise<void> {
    await load(recipe);
    for (const [name, camera] of cameras) camera.checkRegion(book.region(recipe, name));
    const before = inForce.active;
    await inForce.record(recipe);
    if (recipe === before) return;
    try {
      await putInForce(recipe);
    } catch (error) {
      await putInForce(before);
      await inForce.record(before);
      throw error;
    }
    log.info({ recipe, before }, 'the active recipe has changed');
  }

  async function changeRegions(settings: RegionSettings): Promise<void> {
    const before = book.regions;
    const draft = openBook(settings);
    for (const [name, camera] of cameras) {
      if (!Object.hasOwn(settings.cameras, name)) continue;
      for (const recipe of book.names) {
        const region = draft.region(recipe, name);
        if (!sameRegion(region, book.region(recipe, name))) camera.checkRegion(region);
      }
    }
    book.regions = settings;
    try {
      await cutByBook();
    } catch (error) {
      book.regions = before;
      await cutByBook();
      throw error;
    }
  }

  const cutByBook = () => Promise.all([...cameras.values()].map((camera) => camera.recipeChanged()));
  const inTurn = (step: () => Promise<void>): Promise<void> => {
    const done = last.then(step);
    last = done.catch(() => undefined);
    return done;
  };

  return {
    list: () =>
      book.names.map((name) => ({
        name,
        description: book.description(name) ?? '',
        active: name === inForce.active,
        head: book.head(name) ?? null,
        regions: Object.fromEntries([...cameras.keys()].map((camera) => [camera, book.region(name, camera)])),
        fault: faults.get(name)?.line ?? '',
      })),
    async loadHeads() {
      for (const name of book.names) {
        await load(name).catch((error: unknown) => {
          if (!(error instanceof QcError)) throw error;
          if (name === inForce.active && error.code !== 'head-base-mismatch') throw error;
          log.warn({ recipe: name, code: error.code }, `the recipe ${name} cannot be used: ${error.line}`);
        });
      }
    },
    async require(recipe) {
      book.require(recipe);
      // Loaded heads stay loaded; failed ones are tried again.
      if (faults.has(recipe)) await load(recipe);
    },
    use: (recipe) => inTurn(() => change(recipe)),
    useRegions: (settings) => inTurn(() => changeRegions(settings)),
  };
}
