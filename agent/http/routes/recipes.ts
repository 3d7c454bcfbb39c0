import { z } from 'zod';
import { commandMessages, replyMessage } from '../../publish/messages.ts';
import { recipeView } from '../../recipes/recipes.ts';
import type { App, HttpDeps } from '../deps.ts';
import { errorBody } from '../errors.ts';

/** Which products there are, and which is inspected. */
export function addRecipes(app: App, deps: HttpDeps): void {
  app.get(
    '/api/v1/recipes',
    {
      config: { role: 'viewer' },
      schema: {
        tags: ['recipes'],
        summary: 'The recipes, the one in force among them',
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
        summary: 'Change the recipe; answered once it is in force',
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
