/** Settings of cameras that change while the agent runs: regions, and the thresholds of presence. */
import type { Config, TriggerConfig } from '../config/schema.ts';
import type { Recipes } from './recipes/recipes.ts';

/** What `applyLive` applies: keys with * for any name. The trigger of the camera must be `presence` and stay so. */
export const liveCameraKeys = [
  'cameras.*.region',
  'cameras.*.trigger.enter',
  'cameras.*.trigger.leave',
  'cameras.*.trigger.relearnAfterMs',
  'recipes.*.cameras',
] as const;

export interface LiveSettingsDeps {
  readonly recipes: Pick<Recipes, 'useRegions'>;
  readonly cameras: ReadonlyMap<string, { adjust(trigger: TriggerConfig): boolean }>;
}

/**
 * Applies `liveCameraKeys`; resolves when every camera that is up crops to its region. A part in view is delivered
 * as seen so far before its region changes; another region learns its empty background anew.
 * @param next the checked configuration
 * @throws QcError camera-region if a region is too small for the image of its camera; then nothing is changed
 */
export async function applyLive(
  next: Pick<Config, 'cameras' | 'recipes'>,
  { recipes, cameras }: LiveSettingsDeps,
): Promise<void> {
  await recipes.useRegions(next);
  for (const [name, camera] of cameras) {
    const settings = next.cameras[name];
    if (settings) camera.adjust(settings.trigger);
  }
}
