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
  /** @param own thresholds without a recipe: those of the head, or of the configuration */
  thresholds(recipe: string, own: Thresholds): Thresholds;
}

export function openBook({ recipes, cameras }: Pick<Config, 'recipes' | 'cameras'>): RecipeBook {
  const names = [defaultRecipe, ...Object.keys(recipes)];
  const of = (recipe: string): RecipeConfig | undefined =>
    Object.hasOwn(recipes, recipe) ? recipes[recipe] : undefined;
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
    region: (recipe, camera) => of(recipe)?.cameras[camera]?.region ?? cameras[camera]!.region,
    thresholds(recipe, own) {
      const { pass = own.pass, fail, failByLabel } = of(recipe)?.thresholds ?? {};
      // A fail threshold without labels applies to every label.
      const labels = failByLabel ?? (fail === undefined ? own.failByLabel : undefined);
      return { pass, fail: fail ?? own.fail, ...(labels && { failByLabel: labels }) };
    },
  };
}
