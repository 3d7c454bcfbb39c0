/** The settings of each recipe, by name; `default` uses the rest of the configuration. */
import { QcError } from '../../config/errors.ts';
import { defaultRecipe } from '../../config/resolve.ts';
import type { Config, RecipeConfig } from '../../config/schema.ts';
import type { Region } from '../../models/image.ts';
import type { Thresholds } from '../../models/verdict.ts';

export interface RecipeBook {
  /** `default` first. */
  readonly names: readonly string[];
  /** @throws QcError recipe-unknown, which names the existing recipes */
  require(recipe: string): void;
  description(recipe: string): string | undefined;
  /** Model version; undefined: the active one. */
  head(recipe: string): string | undefined;
  region(recipe: string, camera: string): Region;
  /** The setting that contains this region, as `cameras.top.region`. */
  regionSetting(recipe: string, camera: string): string;
  /** Setting it changes the regions of cameras and recipes, and nothing else. */
  regions: RegionSettings;
  /** @param own thresholds without a recipe: those of the head, or of the configuration */
  thresholds(recipe: string, own: Thresholds): Thresholds;
}

/** The part of the configuration that contains regions. */
export type RegionSettings = Pick<Config, 'recipes' | 'cameras'>;

/** @param config its recipes are read at each call: their thresholds change while the line runs */
export function openBook(config: RegionSettings): RecipeBook {
  const { recipes, cameras } = config;
  let regions: RegionSettings = { recipes, cameras };
  const names = [defaultRecipe, ...Object.keys(recipes)];
  const of = (recipe: string, all = config.recipes): RecipeConfig | undefined =>
    Object.hasOwn(all, recipe) ? all[recipe] : undefined;
  return {
    names,
    require(recipe) {
      if (names.includes(recipe)) return;
      throw new QcError('recipe-unknown', `there is no recipe "${recipe}"`, {
        remedy: `use one of: ${names.join(', ')}`,
      });
    },
    description: (recipe) => of(recipe)?.description,
    head: (recipe) => of(recipe)?.head,
    region: (recipe, camera) =>
      of(recipe, regions.recipes)?.cameras[camera]?.region ?? regions.cameras[camera]!.region,
    regionSetting: (recipe, camera) =>
      of(recipe, regions.recipes)?.cameras[camera] === undefined
        ? `cameras.${camera}.region`
        : `recipes.${recipe}.cameras.${camera}.region`,
    get regions() {
      return regions;
    },
    set regions(settings) {
      // A camera that was removed from the configuration runs until the agent restarts.
      regions = { recipes: settings.recipes, cameras: { ...cameras, ...settings.cameras } };
    },
    thresholds(recipe, own) {
      const { pass = own.pass, fail, failByLabel } = of(recipe)?.thresholds ?? {};
      // A fail threshold without labels applies to every label.
      const labels = failByLabel ?? (fail === undefined ? own.failByLabel : undefined);
      return { pass, fail: fail ?? own.fail, ...(labels && { failByLabel: labels }) };
    },
  };
}
