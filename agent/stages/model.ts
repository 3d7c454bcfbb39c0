/** The recipes and the model that judges by them. The model loads while the stages after this one are opened. */
import { type LiveModel, openLiveModel } from '../live-model.ts';
import { openBook, type RecipeBook } from '../recipes/book.ts';
import { openRecipeInForce, type RecipeInForce } from '../recipes/in-force.ts';
import { createRecipes, type RecipeCamera, type Recipes } from '../recipes/recipes.ts';
import type { Core } from './core.ts';

/** How long the model may be out of order: TensorRT builds its engine for minutes when its thread starts again, ms. */
const maxFaultMs = 600_000;

export interface ModelStage extends AsyncDisposable {
  readonly book: RecipeBook;
  readonly inForce: RecipeInForce;
  readonly recipes: Recipes;
  /** Resolves once base and active head are loaded. */
  readonly loading: Promise<LiveModel>;
  /** The model; undefined until `start`. */
  readonly live: LiveModel | undefined;
  /** Waits for the model, loads the heads of the recipes and makes the station judge from then on. @throws what loading threw */
  start(): Promise<LiveModel>;
}

/**
 * @param cameras those that a change of recipe concerns; they appear as they are opened
 * @throws QcError recipe-unknown, data-damaged
 */
export async function openModel(
  { config, log, metrics, station, liveness }: Core,
  cameras: ReadonlyMap<string, RecipeCamera>,
): Promise<ModelStage> {
  const book = openBook(config);
  const inForce = await openRecipeInForce(book, config.storage.directory);
  let live: LiveModel | undefined;
  const loading = openLiveModel(config, {
    log,
    metrics,
    recipes: inForce,
    onChange: () => station.changed(),
    onServer: (text) => station.notice('inference server', text),
  });
  // It may fail before anybody waits for it; whoever does is told then.
  loading.catch(() => undefined);
  const recipes = createRecipes(inForce, {
    log,
    cameras,
    model: loading,
    onChange() {
      live?.recipeChanged();
      station.changed();
    },
  });
  station.watch({
    recipe: () => inForce.active,
    model: () => live && { version: live.info.version, fault: live.fault, notice: live.notice },
  });
  liveness.fault('the model', maxFaultMs, () => live?.fault);
  return {
    book,
    inForce,
    recipes,
    loading,
    get live() {
      return live;
    },
    async start() {
      const loaded = await loading;
      await recipes.loadHeads();
      live = loaded;
      station.changed();
      return loaded;
    },
    async [Symbol.asyncDispose]() {
      const loaded = await loading.catch(() => undefined);
      await loaded?.[Symbol.asyncDispose]();
    },
  };
}
