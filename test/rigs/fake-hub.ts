/**
 * Servers that behave like the hubs, over real sockets: files with tags, ranges and redirects to another host, the API of
 * Hugging Face, and transfer faults. `plan` queues one behaviour for each of the next requests for a file.
 */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface HubFile {
  readonly bytes: Buffer;
  /** Default: hash of the content. Null: none. */
  readonly etag?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Behaviour {
  /** Answers with it instead of the file. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Closes the connection after this number of bytes of the body. */
  readonly cutAfter?: number;
  /** Stops sending after this number of bytes, without closing the connection. */
  readonly stallAfter?: number;
  /** Ends the answer early without an error; no length is stated. */
  readonly endAfter?: number;
  /** Called when the answer has begun. */
  readonly onBegin?: () => void;
}

export interface SeenRequest {
  readonly host: string;
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
}

export interface FakeHub extends AsyncDisposable {
  readonly url: string;
  /** Another host, the target of redirects. */
  readonly cdn: string;
  readonly requests: SeenRequest[];
  isRanged: boolean;
  /** Below both addresses. */
  put(path: string, file: Buffer | HubFile): void;
  redirect(path: string, target: string, headers?: Readonly<Record<string, string>>): void;
  plan(...behaviours: Behaviour[]): void;
  /** As on Hugging Face: large files are in Git LFS, on the other host. */
  repository(
    id: string,
    files: Readonly<Record<string, Buffer>>,
    facts?: RepositoryFacts,
  ): { readonly commit: string };
}

export interface RepositoryFacts {
  readonly licence?: string;
  readonly branch?: string;
  /** Required token. */
  readonly token?: string;
}

export const sha256Of = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
export const md5Of = (bytes: Buffer) => createHash('md5').update(bytes).digest('hex');
const gitSha1Of = (bytes: Buffer) =>
  createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');

type Handler = (request: IncomingMessage, response: ServerResponse, body: string) => void;

const lfsFrom = 10_000;

export async function openFakeHub(): Promise<FakeHub> {
  const files = new Map<string, HubFile>();
  const handlers = new Map<string, Handler>();
  const requests: SeenRequest[] = [];
  const planned: Behaviour[] = [];
  const state = { isRanged: true };

  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const path = request.url!;
    requests.push({ host: request.headers.host!, method: request.method!, path, headers: request.headers });
    const body: Buffer[] = [];
    for await (const chunk of request) body.push(chunk as Buffer);
    const handler = handlers.get(path);
    if (handler) return handler(request, response, Buffer.concat(body).toString());
    const file = files.get(path);
    if (!file) return void response.writeHead(404).end('Entry not found');
    send(request, response, file, planned.shift() ?? {}, state.isRanged);
  };
  const open = async (): Promise<Server> => {
    const server = createServer((request, response) => {
      answer(request, response).catch((error) => response.destroy(error));
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    return server;
  };
  const servers = [await open(), await open()];
  const [url, cdn] = servers.map((server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`);

  return {
    url: url!,
    cdn: cdn!,
    requests,
    get isRanged() {
      return state.isRanged;
    },
    set isRanged(value) {
      state.isRanged = value;
    },
    put: (path, file) => void files.set(path, Buffer.isBuffer(file) ? { bytes: file } : file),
    redirect(path, target, headers = {}) {
      handlers.set(path, (_request, response) =>
        response.writeHead(302, { location: target, ...headers }).end('Found. Redirecting'),
      );
    },
    plan: (...behaviours) => void planned.push(...behaviours),
    repository(id, contents, { licence, branch = 'main', token } = {}) {
      const names = Object.keys(contents);
      const commit = createHash('sha1')
        .update(names.map((name) => sha256Of(contents[name]!)).join())
        .digest('hex');
      const guarded =
        (handler: Handler): Handler =>
        (request, response, body) => {
          if (token === undefined || request.headers.authorization === `Bearer ${token}`)
            return handler(request, response, body);
          const headers = {
            'x-error-code': 'GatedRepo',
            'x-error-message': `Access to model ${id} is restricted.`,
          };
          response.writeHead(401, headers).end();
        };
      const json = (response: ServerResponse, value: unknown) =>
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
      const info: Handler = (_request, response) =>
        json(response, {
          id,
          sha: commit,
          ...(licence !== undefined && { cardData: { license: licence } }),
          siblings: names.map((rfilename) => ({ rfilename })),
        });
      for (const revision of [branch, commit])
        handlers.set(`/api/models/${id}/revision/${revision}`, guarded(info));
      handlers.set(
        `/api/models/${id}/paths-info/${commit}`,
        guarded((_request, response, body) => {
          const { paths } = JSON.parse(body) as { paths: string[] };
          const facts = paths
            .filter((path) => names.includes(path))
            .map((path) => {
              const bytes = contents[path]!;
              const lfs = bytes.length >= lfsFrom && {
                lfs: { oid: sha256Of(bytes), size: bytes.length, pointerSize: 134 },
              };
              return { type: 'file', path, size: bytes.length, oid: gitSha1Of(bytes), ...lfs };
            });
          json(response, facts);
        }),
      );
      for (const [name, bytes] of Object.entries(contents)) {
        const path = `/${id}/resolve/${commit}/${name}`;
        if (bytes.length < lfsFrom) {
          files.set(path, { bytes, etag: `"${gitSha1Of(bytes)}"`, headers: { 'x-repo-commit': commit } });
          continue;
        }
        const place = `/repos/${sha256Of(bytes)}`;
        files.set(place, { bytes });
        const headers = {
          'x-repo-commit': commit,
          'x-linked-etag': `"${sha256Of(bytes)}"`,
          'x-linked-size': String(bytes.length),
        };
        handlers.set(
          path,
          guarded((_request, response) =>
            response.writeHead(302, { location: `${cdn}${place}`, ...headers }).end(),
          ),
        );
      }
      return { commit };
    },
    async [Symbol.asyncDispose]() {
      for (const server of servers) {
        server.closeAllConnections();
        await new Promise((done) => server.close(done));
      }
    },
  };
}

function send(
  request: IncomingMessage,
  response: ServerResponse,
  file: HubFile,
  behaviour: Behaviour,
  isRanged: boolean,
): void {
  behaviour.onBegin?.();
  if (behaviour.status !== undefined) {
    response.writeHead(behaviour.status, behaviour.headers).end(behaviour.body ?? '');
    return;
  }
  const { bytes, etag = `"${md5Of(file.bytes)}"`, headers = {} } = file;
  const condition = request.headers['if-range'];
  const asked = /^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1];
  const isRest = isRanged && asked !== undefined && (condition === undefined || condition === etag);
  const start = isRest ? Number(asked) : 0;
  const facts = { ...(etag !== null && { etag }), ...headers, ...behaviour.headers };
  if (isRest && start >= bytes.length) {
    response.writeHead(416, { 'content-range': `bytes */${bytes.length}` }).end();
    return;
  }
  const rest = bytes.subarray(start);
  const isStated = behaviour.endAfter === undefined;
  response.writeHead(isRest ? 206 : 200, {
    ...(isRest && { 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` }),
    ...(isStated && { 'content-length': rest.length }),
    ...facts,
  });
  if (request.method === 'HEAD') return void response.end();
  const { cutAfter, stallAfter, endAfter } = behaviour;
  const until = cutAfter ?? stallAfter ?? endAfter;
  if (until === undefined) return void response.end(rest);
  response.write(rest.subarray(0, until), () => {
    if (cutAfter !== undefined) response.socket?.end().destroySoon();
    else if (endAfter !== undefined) response.end();
  });
}
