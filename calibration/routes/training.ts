/** Routes for training. */
import * as views from '../views.ts';
import { type App, change, done, ok, type RouteDeps, read } from './route.ts';

export function addTraining(app: App, { calibration, errorBody, whoIs }: RouteDeps): void {
  const tags = ['training'];
  app.get(
    '/api/v1/training',
    {
      ...read,
      schema: {
        tags,
        summary: 'State of the current or last training',
        response: { 200: views.trainingView },
      },
    },
    () => calibration.training(),
  );
  app.post(
    '/api/v1/training/start',
    {
      ...change('train'),
      schema: {
        tags,
        summary: 'Train a candidate from the dataset',
        body: views.trainOptions,
        response: { 200: done, 400: errorBody, 409: errorBody },
      },
    },
    async (request) => {
      await calibration.train(request.body, whoIs(request).name);
      return ok;
    },
  );
  app.post(
    '/api/v1/training/cancel',
    {
      ...change('train-cancel'),
      schema: { tags, summary: 'Cancel the training; nothing is changed', response: { 200: done } },
    },
    async () => {
      await calibration.cancelTraining();
      return ok;
    },
  );
}
