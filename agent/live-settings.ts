/** Settings of cameras that change while the agent runs: regions, and the thresholds of presence. */
import type { Config, TriggerConfig } from '../config/schema.ts';
import type { Recipes } from './recipes/recipes.ts';

/** Regions of cameras and recipes; `enter`, `leave` and `relearnAfterMs` of a camera whose trigger stays `presence`. */
const live =
  /^(cameras\.[^.]+\.(region(\.\w+)?|trigger\.(enter|leave|relearnAfterMs))|recipes\.[^.]+\.cameras\.[^.]+(\.region(\.\w+)?)?)$/;

/** Whether a changed setting takes effect without a restart. @param path dotted, as `cameras.top.region.x` */
export function appliesLive(path: string): boolean {
  return live.test(path);
}

export interface LiveSettingsDeps {
  readonly recipes: Pick<Recipes, 'useRegions'>;
  readonly cameras: ReadonlyMap<string, { adjust(trigger: TriggerConfig): boolean }>;
}

/**
 * Applies what `appliesLive` names; resolves when every camera that is up crops to its region. A part in view is delivered
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
