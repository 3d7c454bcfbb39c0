/** The recipes and the model. The model loads while the following stages are opened. */
import { type LiveModel, openLiveModel } from '../live-model.ts';
import { openBook, type RecipeBook } from '../recipes/book.ts';
import { openRecipeInForce, type RecipeInForce } from '../recipes/in-force.ts';
import { createRecipes, type RecipeCamera, type Recipes } from '../recipes/recipes.ts';
import type { Core } from './core.ts';

/** Maximum time without a working model, ms: TensorRT builds its engine for minutes when its thread restarts. */
const maxFaultMs = 600_000;

export interface ModelStage extends AsyncDisposable {
  readonly book: RecipeBook;
  readonly inForce: RecipeInForce;
  readonly recipes: Recipes;
  /** Resolves once base and active head are loaded. */
  readonly loading: Promise<LiveModel>;
  /** The model; undefined until `start`. */
  readonly live: LiveModel | undefined;
  /** Waits for the model, loads the heads of the recipes and lets the station judge. @throws the error of loading */
  start(): Promise<LiveModel>;
}

/**
 * @param cameras the cameras that a change of recipe affects; added as they are opened
 * @throws QcError recipe-unknown, data-damaged
 */
export async function openModel(
  { config, live: settings, log, metrics, station, liveness }: Core,
  cameras: ReadonlyMap<string, RecipeCamera>,
): Promise<ModelStage> {
  const book = openBook(config);
  settings.takesLive(['labels', 'thresholds', 'recipes.*.thresholds', 'recipes.*.description'], () =>
    station.changed(),
  );
  const inForce = await openRecipeInForce(book, config.storage.directory);
  let live: LiveModel | undefined;
  const loading = openLiveModel(config, {
    log,
    metrics,
    recipes: inForce,
    onChange: () => station.changed(),
    onServer: (text) => station.notice('inference server', text),
  });
  // It may fail before it is awaited; the error is then reported when it is awaited.
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
