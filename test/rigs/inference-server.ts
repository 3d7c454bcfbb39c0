/**
 * An inference server with the Open Inference Protocol over HTTP and the binary tensor data extension. It runs a real
 * model, refuses requests that violate the specification, and can simulate faults.
 * https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import ort from 'onnxruntime-node';
import { z } from 'zod';
import type { Certificates } from './certificates.ts';

export type Fault =
  | 'none'
  | 'slow'
  | 'garbage'
  | 'not finite'
  | 'wrong shape'
  | 'wrong number'
  | 'missing output'
  | 'internal error'
  | 'hangs up'
  | 'endless'
  | 'another id'
  | 'not ready';

export interface ServerOptions {
  readonly model: Uint8Array;
  /** Default `base`. */
  readonly name?: string;
  /** Default `1`; null: a server without versions. */
  readonly version?: string | null;
  /** Default: binary data and model configuration, as Triton has them. */
  readonly extensions?: readonly string[];
  /** Supports binary data; default: if it announces it. */
  readonly binary?: boolean;
  /** Default 8. */
  readonly maxBatch?: number;
  /** Required token. */
  readonly token?: string;
  readonly tls?: Certificates;
  /** Default: any. */
  readonly port?: number;
  /** Additional time of each inference, ms. */
  readonly delayMs?: number;
}

export interface Served {
  /** Inferences that were answered. */
  answered: number;
  /** Refused requests, with the message. */
  readonly refused: string[];
  readonly connections: number;
  /** Maximum number of images in one request so far. */
  largest: number;
  /** Maximum number of simultaneous requests so far. */
  parallel: number;
  readonly encodings: Set<'binary' | 'json'>;
}

export interface InferenceServer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly served: Served;
  fault: Fault;
  /** Closes every connection. */
  hangUp(): void;
  /** Replaces its model and version. */
  replace(model: Uint8Array, version?: string | null): Promise<void>;
}

const parameters = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional();
const requestSchema = z.object({
  id: z.string().optional(),
  parameters,
  inputs: z
    .array(
      z.object({
        name: z.string(),
        shape: z.array(z.number().int().min(0)),
        datatype: z.string(),
        parameters,
        data: z.array(z.unknown()).optional(),
      }),
    )
    .min(1),
  outputs: z.array(z.object({ name: z.string(), parameters })).optional(),
});

class Refusal extends Error {
  readonly status: number;
  constructor(message: string, status = 400) {
    super(message);
    this.status = status;
  }
}

export async function openInferenceServer(options: ServerOptions): Promise<InferenceServer> {
  const { name = 'base', extensions = ['binary_tensor_data', 'model_configuration'], maxBatch = 8 } = options;
  const { binary = extensions.includes('binary_tensor_data'), token, tls, delayMs = 0 } = options;
  let loaded = await load(options.model, options.version);
  let connections = 0;
  let running = 0;
  const served: Served = {
    answered: 0,
    refused: [],
    get connections() {
      return connections;
    },
    largest: 0,
    parallel: 0,
    encodings: new Set(),
  };

  async function load(bytes: Uint8Array, version: string | null | undefined) {
    const session = await ort.InferenceSession.create(bytes, {
      executionProviders: ['cpu'],
      intraOpNumThreads: 1,
      logSeverityLevel: 4,
    });
    const metadata = {
      name,
      ...(version !== null && { versions: [version ?? '1'] }),
      platform: 'onnxruntime_onnx',
      inputs: session.inputMetadata.map(described),
      outputs: session.outputMetadata.map(described),
    };
    return { session, metadata, version: version === null ? undefined : (version ?? '1') };
  }

  async function answer(request: IncomingMessage, body: Buffer, response: ServerResponse): Promise<void> {
    if (token !== undefined && request.headers.authorization !== `Bearer ${token}`)
      throw new Refusal('the token is missing or wrong', 401);
    const [, ...path] = (request.url ?? '').split('/').map(decodeURIComponent);
    if (path[0] !== 'v2') throw new Refusal('not found', 404);
    const get = path.at(-1) !== 'infer';
    if (request.method !== (get ? 'GET' : 'POST')) throw new Refusal('the method is not allowed', 405);
    if (path.length === 1) return json(response, { name: 'test server', version: '1.0', extensions });
    if (path[1] === 'health' && (path[2] === 'live' || path[2] === 'ready')) {
      if (server.fault === 'not ready') throw new Refusal('not ready');
      return json(response, { live: true });
    }
    if (path[1] !== 'models' || path[2] === undefined) throw new Refusal('not found', 404);
    if (path[2] !== name) throw new Refusal(`there is no model ${path[2]}`, 404);
    const isVersioned = path[3] === 'versions';
    if (isVersioned && path[4] !== loaded.version)
      throw new Refusal(`there is no version ${path[4]} of ${name}`, 404);
    const [action, ...more] = path.slice(isVersioned ? 5 : 3);
    if (more.length > 0) throw new Refusal('not found', 404);
    if (action === undefined) return json(response, loaded.metadata);
    if (action === 'ready') return json(response, { name, ready: true });
    if (action === 'config' && extensions.includes('model_configuration'))
      return json(response, { name, max_batch_size: maxBatch });
    if (action === 'infer') return infer(request, body, response);
    throw new Refusal('not found', 404);
  }

  async function infer(request: IncomingMessage, body: Buffer, response: ServerResponse): Promise<void> {
    const { session, metadata, version } = loaded;
    const header = request.headers['inference-header-content-length'];
    if (header !== undefined && !binary) throw new Refusal('unexpected bytes behind the JSON');
    const length = header === undefined ? body.length : Number(header);
    if (!(length <= body.length)) throw new Refusal('the JSON is longer than the body');
    const { id, inputs, outputs } = parsed(body.subarray(0, length));
    let from = length;
    const feeds: Record<string, ort.Tensor> = {};
    for (const input of inputs) {
      const known = metadata.inputs.find((one) => one.name === input.name);
      if (!known) throw new Refusal(`there is no input ${input.name}`);
      if (input.datatype !== known.datatype)
        throw new Refusal(`input ${input.name} is ${known.datatype}, not ${input.datatype}`);
      const fits = known.shape.every((dim, i) => dim === -1 || dim === input.shape[i]);
      if (!fits || known.shape.length !== input.shape.length || (input.shape[0] ?? 0) > maxBatch)
        throw new Refusal(`input ${input.name} cannot have the shape [${input.shape}]`);
      const count = input.shape.reduce((product, dim) => product * dim, 1);
      const size = input.parameters?.binary_data_size;
      const values = new Float32Array(count);
      if (size === undefined) {
        if (!input.data) throw new Refusal(`input ${input.name} has no data`);
        const flat = input.data.flat(Number.POSITIVE_INFINITY);
        if (flat.length !== count || !flat.every((value) => typeof value === 'number'))
          throw new Refusal(`input ${input.name} has ${flat.length} values for the shape [${input.shape}]`);
        values.set(flat as number[]);
        served.encodings.add('json');
      } else {
        if (input.data) throw new Refusal(`input ${input.name} has data twice`);
        if (size !== count * 4 || from + size > body.length)
          throw new Refusal(`input ${input.name} has ${size} bytes for the shape [${input.shape}]`);
        if (header === undefined) throw new Refusal('Inference-Header-Content-Length is missing');
        new Uint8Array(values.buffer).set(body.subarray(from, from + size));
        from += size;
        served.encodings.add('binary');
      }
      served.largest = Math.max(served.largest, input.shape[0]!);
      feeds[input.name] = new ort.Tensor('float32', values, input.shape);
    }
    if (from !== body.length) throw new Refusal('bytes are left over behind the tensors');
    const missing = metadata.inputs.find((one) => !feeds[one.name]);
    if (missing) throw new Refusal(`input ${missing.name} is missing`);
    const wanted = outputs ?? metadata.outputs.map((one) => ({ name: one.name, parameters: undefined }));
    for (const { name: output } of wanted) {
      if (!metadata.outputs.some((one) => one.name === output))
        throw new Refusal(`there is no output ${output}`);
    }
    if (delayMs > 0) await sleep(delayMs);
    const made = await session.run(
      feeds,
      wanted.map((one) => one.name),
    );
    const raw: Buffer[] = [];
    const said = wanted.map((output) => {
      const { dims, data } = made[output.name]!;
      const values = data as Float32Array;
      if (server.fault === 'not finite') values[0] = Number.NaN;
      const told = { name: output.name, shape: [...dims], datatype: 'FP32' };
      if (server.fault === 'wrong shape') told.shape = [told.shape[0]! + 1, ...told.shape.slice(1)];
      if (server.fault === 'missing output') told.name = 'another';
      const sent = server.fault === 'wrong number' ? values.subarray(1) : values;
      if (!(binary && output.parameters?.binary_data === true)) return { ...told, data: Array.from(sent) };
      raw.push(Buffer.from(sent.buffer, sent.byteOffset, sent.byteLength));
      return { ...told, parameters: { binary_data_size: sent.byteLength } };
    });
    const content = JSON.stringify({
      model_name: name,
      ...(version !== undefined && { model_version: version }),
      ...(id !== undefined && { id: server.fault === 'another id' ? `${id}0` : id }),
      outputs: said,
    });
    served.answered++;
    if (raw.length === 0) return json(response, content);
    response.setHeader('content-type', 'application/octet-stream');
    response.setHeader('inference-header-content-length', Buffer.byteLength(content));
    response.end(Buffer.concat([Buffer.from(content), ...raw]));
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    running++;
    served.parallel = Math.max(served.parallel, running);
    try {
      const parts: Buffer[] = [];
      for await (const part of request) parts.push(part as Buffer);
      if (request.method === 'POST' && (await misbehave(response))) return;
      await answer(request, Buffer.concat(parts), response);
    } catch (error) {
      if (response.destroyed) return;
      const message = (error as Error).message;
      served.refused.push(message);
      response.statusCode = error instanceof Refusal ? error.status : 500;
      json(response, { error: message });
    } finally {
      running--;
    }
  }

  async function misbehave(response: ServerResponse): Promise<boolean> {
    switch (server.fault) {
      case 'slow':
        await sleep(3_000, undefined, { ref: false });
        return false;
      case 'garbage':
        response.end(Buffer.from('<html>It works!</html>'));
        return true;
      case 'internal error':
        response.statusCode = 500;
        json(response, { error: 'CUDA error: out of memory' });
        return true;
      case 'hangs up':
        response.socket?.destroy();
        return true;
      case 'endless':
        response.on('error', () => undefined);
        while (!response.destroyed) {
          response.write(Buffer.alloc(1 << 20, 0x20));
          await sleep(1);
        }
        return true;
      default:
        return false;
    }
  }

  const listener = (request: IncomingMessage, response: ServerResponse) => void handle(request, response);
  const http = tls
    ? createSecureServer({ cert: readFileSync(tls.cert), key: readFileSync(tls.key) }, listener)
    : createServer(listener);
  const sockets = new Set<Socket>();
  http.on('connection', (socket: Socket) => {
    connections++;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  http.listen(options.port ?? 0, '127.0.0.1');
  await once(http, 'listening');
  const { port } = http.address() as AddressInfo;

  const server: InferenceServer = {
    url: `${tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    port,
    served,
    fault: 'none',
    hangUp() {
      for (const socket of sockets) socket.destroy();
    },
    async replace(model, version) {
      loaded = await load(model, version);
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      if (!http.listening) return;
      await new Promise((resolve) => http.close(resolve));
      await loaded.session.release();
    },
  };
  return server;
}

function parsed(bytes: Buffer) {
  let content: unknown;
  try {
    content = JSON.parse(bytes.toString('utf8'));
  } catch {
    throw new Refusal('the request is not JSON');
  }
  const request = requestSchema.safeParse(content);
  if (request.success) return request.data;
  const [issue] = request.error.issues;
  throw new Refusal(`${issue!.path.join('.')}: ${issue!.message}`);
}

function described(value: ort.InferenceSession.ValueMetadata) {
  if (!value.isTensor || value.type !== 'float32') throw new Error(`${value.name} is no float32 tensor`);
  const shape = value.shape.map((dim) => (typeof dim === 'number' && dim >= 0 ? dim : -1));
  return { name: value.name, datatype: 'FP32', shape };
}

function json(response: ServerResponse, content: unknown): void {
  response.setHeader('content-type', 'application/json');
  response.end(typeof content === 'string' ? content : JSON.stringify(content));
}
