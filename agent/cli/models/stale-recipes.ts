/** Recipes whose head was trained on another base. */
import type { Config } from '../../../config/schema.ts';
import { misfitOf } from '../../../models/head.ts';
import type { BaseManifest } from '../../../models/manifest.ts';
import type { Store } from '../../../models/versions/store.ts';

/** The effect on their parts with this base, with a remedy; undefined if there are none. */
export async function staleRecipes(
  store: Store,
  recipes: Config['recipes'],
  base: BaseManifest,
): Promise<string | undefined> {
  const stale: string[] = [];
  for (const [name, { head }] of Object.entries(recipes)) {
    const manifest =
      head === undefined ? undefined : (await store.read(head).catch(() => undefined))?.manifest;
    if (manifest && misfitOf(manifest, base)) stale.push(`recipes.${name}.head is ${head}`);
  }
  if (stale.length === 0) return undefined;
  return `${stale.join(', ')}: trained on another base as well; parts of such a recipe are uncertain until the configuration names a head for ${base.name}`;
}
