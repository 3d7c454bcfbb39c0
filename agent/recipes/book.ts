/** What each recipe says, by name; `default` is what the rest of the configuration says. */
import { QcError } from '../../config/errors.ts';
import { defaultRecipe } from '../../config/resolve.ts';
import type { Config, RecipeConfig } from '../../config/schema.ts';
import type { Region } from '../../models/image.ts';
import type { Thresholds } from '../../models/verdict.ts';

export interface RecipeBook {
  /** `default` first. */
  readonly names: readonly string[];
  /** @throws QcError recipe-unknown, naming those there are */
  require(recipe: string): void;
  description(recipe: string): string | undefined;
  /** Version that judges; undefined: the active one. */
  head(recipe: string): string | undefined;
  region(recipe: string, camera: string): Region;
  /** @param own what holds without a recipe: those of the head, or of the configuration */
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
      // Who says from where a part fails means every label, unless he says more.
      const labels = failByLabel ?? (fail === undefined ? own.failByLabel : undefined);
      return { pass, fail: fail ?? own.fail, ...(labels && { failByLabel: labels }) };
    },
  };
}
