import { z } from 'zod';
import type { App } from '../../../calibration/routes/route.ts';
import { commandMessages, replyMessage } from '../../publish/messages.ts';
import { recipeView } from '../../recipes/recipes.ts';
import type { HttpDeps } from '../deps.ts';
import { errorBody } from '../errors.ts';

/** The recipes, and which one is active. */
export function addRecipes(app: App, deps: HttpDeps): void {
  app.get(
    '/api/v1/recipes',
    {
      config: { role: 'viewer' },
      schema: {
        tags: ['recipes'],
        summary: 'All recipes; one of them is active',
        response: { 200: z.array(recipeView) },
      },
    },
    () => deps.recipes(),
  );

  app.post(
    '/api/v1/recipe',
    {
      bodyLimit: 16_384,
      config: { role: 'operator', audit: 'recipe' },
      schema: {
        tags: ['recipes'],
        summary: 'Change the active recipe; the reply follows when it is active',
        body: commandMessages.recipe,
        response: { 200: replyMessage, 400: errorBody, 404: errorBody, 503: errorBody },
      },
    },
    async (request) => {
      await deps.commands.recipe(request.body);
      return { schema: 1 as const, ok: true };
    },
  );
}
