/** Routes for bases: list, install, compare, switch. */
import { z } from 'zod';
import * as views from '../compare/views.ts';
import * as install from '../install/views.ts';
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
    '/api/v1/bases/catalogue',
    {
      ...read,
      schema: {
        tags,
        summary: 'The bases that can be pulled by name',
        response: { 200: install.catalogueView, 503: errorBody },
      },
    },
    () => bases.catalogue(),
  );
  app.get(
    '/api/v1/bases/pull',
    {
      ...read,
      schema: {
        tags,
        summary: 'State of the current or last installation of a base; done and total are bytes',
        response: { 200: install.installingView },
      },
    },
    () => bases.installing(),
  );
  app.post(
    '/api/v1/bases/pull',
    {
      ...change('pull-base', 'engineer'),
      schema: {
        tags,
        summary: 'Download a base from a hub, check it and import it; the base in use is not changed',
        body: install.pullRequest,
        response: { 200: done, ...failures },
      },
    },
    async (request) => {
      await bases.pull(request.body, whoIs(request).name);
      return ok;
    },
  );
  app.post(
    '/api/v1/bases/pull/cancel',
    {
      ...change('pull-base-cancel', 'engineer'),
      schema: {
        tags,
        summary: 'Cancel the installation of a base; a download is continued by the next pull',
        response: { 200: done },
      },
    },
    async () => {
      await bases.cancelInstalling();
      return ok;
    },
  );
  app.register(async (scope) => addUpload(scope as App, { bases, failures, whoIs }));
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

type UploadDeps = Pick<RouteDeps, 'whoIs'> & {
  readonly bases: RouteDeps['calibration']['bases'];
  readonly failures: Readonly<Record<number, RouteDeps['errorBody']>>;
};

const upload = change('import-base', 'engineer');

/** In a scope of its own, where bodies are not read into memory. */
function addUpload(app: App, { bases, failures, whoIs }: UploadDeps): void {
  app.removeAllContentTypeParsers();
  // The handler reads the request itself.
  app.addContentTypeParser('application/octet-stream', (_request, _payload, parsed) => parsed(null));
  app.post(
    '/api/v1/bases/import',
    {
      ...upload,
      config: { ...upload.config, takesLong: true },
      schema: {
        tags: ['bases'],
        summary: 'Import a base: the body is a file of weights, an ONNX file, or a .tar.gz of a folder',
        consumes: ['application/octet-stream'],
        querystring: install.importRequest,
        response: { 200: done, 413: failures[400]!, 415: failures[400]!, ...failures },
      },
    },
    async (request) => {
      const length = request.headers['content-length'];
      const bytes = length === undefined ? undefined : Number(length);
      await bases.upload(request.raw, bytes, request.query, whoIs(request).name);
      return ok;
    },
  );
}
