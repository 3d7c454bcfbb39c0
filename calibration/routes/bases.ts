/** Routes for bases: list, compare, switch. */
import { z } from 'zod';
import * as views from '../compare/views.ts';
import { type App, change, done, ok, type RouteDeps, read } from './route.ts';

export function addBases(app: App, { calibration: { bases }, errorBody, whoIs }: RouteDeps): void {
  const tags = ['bases'];
  const failures = { 400: errorBody, 403: errorBody, 404: errorBody, 409: errorBody, 503: errorBody };

  app.get(
    '/api/v1/bases',
    {
      ...read,
      schema: {
        tags,
        summary: 'The installed bases, the one in use first',
        response: { 200: z.array(views.baseView), 503: errorBody },
      },
    },
    () => bases.list(),
  );
  app.get(
    '/api/v1/bases/compare',
    {
      ...read,
      schema: {
        tags,
        summary: 'State of the comparison of bases, and the last result',
        response: { 200: views.comparingView },
      },
    },
    () => bases.comparing(),
  );
  app.post(
    '/api/v1/bases/compare',
    {
      ...change('compare-bases', 'engineer'),
      schema: {
        tags,
        summary: 'Compare bases on the labelled frames; nothing that judges is changed',
        body: views.compareRequest,
        response: { 200: done, ...failures },
      },
    },
    async (request) => {
      await bases.compare(request.body, whoIs(request).name);
      return ok;
    },
  );
  app.post(
    '/api/v1/bases/compare/cancel',
    {
      ...change('compare-bases-cancel', 'engineer'),
      schema: {
        tags,
        summary: 'Cancel the comparison; computed features are kept for the next one',
        response: { 200: done },
      },
    },
    async () => {
      await bases.cancelComparison();
      return ok;
    },
  );
  app.post(
    '/api/v1/bases/switch',
    {
      ...change('switch-base', 'engineer'),
      schema: {
        tags,
        summary: 'Train a candidate on another base; promoting it switches head and base together',
        body: views.switchRequest,
        response: { 200: done, ...failures },
      },
    },
    async (request) => {
      await bases.switch(request.body, whoIs(request).name);
      return ok;
    },
  );
}
