/** An inference server that was proved to run our base: its model fits the manifest, and a known picture gives the known features. */
import { QcError } from '../../config/errors.ts';
import type { RemoteConfig } from '../../config/schema.ts';
import type { BaseManifest, Check, Precision } from '../manifest.ts';
import { makePrepare } from '../prepare/prepare.ts';
import { checkFailure, checkImage } from '../run/warm-up-check.ts';
import { type Client, NotKept, openClient } from './client.ts';
import {
  describeTensors,
  type Encoding,
  inferenceRequest,
  inferenceResponse,
  type ModelMetadata,
  modelConfigSchema,
  modelMetadataSchema,
  parse,
  serverSchema,
} from './protocol.ts';

/** What a server must run. */
export interface RemoteBase {
  /** Most pictures in one request, where the server takes several. */
  readonly batch: number;
  readonly manifest: BaseManifest;
  /** The output that gives the features. */
  readonly output: string;
  /** What the check picture must give. */
  readonly check: Check;
  /** How exactly. */
  readonly precision: Precision;
}

export interface Server {
  /** "Triton 2.50.0 at http://gpu:8000, model base, version 1, binary data, 12 ms a picture" */
  readonly description: string;
  /** Most pictures in one request. */
  readonly batch: number;
  /**
   * Features of `count` pictures, each [size].
   * @param tensor [count·3·H·W]. @throws QcError inference-server-…, model-mismatch
   */
  infer(tensor: Float32Array, count: number): Promise<Float32Array[]>;
  close(): void;
}

/** Longest a server may take for whatever is not a picture of the line, ms: it may have to load the model first. */
const patienceMs = 5_000;
const shortBytes = 1 << 20;

/**
 * Looks at the server and puts it to the test.
 * @param signal ends the look, and whatever is asked later
 * @throws QcError inference-server-…, model-mismatch (saying what was found), model-check-failed
 */
export async function openServer(
  config: RemoteConfig,
  base: RemoteBase,
  signal: AbortSignal,
): Promise<Server> {
  const client = openClient(config, signal);
  try {
    return await examine(client, config, base);
  } catch (error) {
    client.close();
    throw error;
  }
}

async function examine(client: Client, config: RemoteConfig, base: RemoteBase): Promise<Server> {
  const { manifest, output, check, precision } = base;
  const ask = async (path: string) =>
    (await client.send(path, { timeoutMs: patienceMs, mostBytes: shortBytes })).body;
  const named = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof QcError)) throw error;
      throw new QcError(error.code, `${client.url} ${error.message}`);
    }
  };
  const about = await ask('/v2');
  const server = named(() => parse(serverSchema, about));
  await ask('/v2/health/ready').catch((error) => {
    if (!(error instanceof QcError) || !isAboutContent(error)) throw error;
    throw new QcError('inference-server-failed', `${client.url} is not ready yet`);
  });
  const model = `/v2/models/${encodeURIComponent(config.model)}`;
  const path =
    config.version === undefined ? model : `${model}/versions/${encodeURIComponent(config.version)}`;
  const told = await ask(path);
  const metadata = named(() => parse(modelMetadataSchema, told));
  const takesSeveral = requireFit(client.url, config.model, metadata, base);
  const most = takesSeveral && base.batch > 1 ? await mostPictures(server.extensions) : 1;

  const { width, height, layout } = manifest.input;
  const length = 3 * width * height;
  /** That of the check, prepared. */
  const picture = makePrepare(manifest.input)(checkImage(width, height));
  let nextId = 0;
  let encoding: Encoding = config.tensors === 'json' ? 'json' : 'binary';
  /** The version that passed. */
  let proved: string | undefined;

  async function infer(
    tensor: Float32Array,
    count: number,
    timeoutMs: number,
    onlyKept = false,
  ): Promise<Float32Array[]> {
    const shape = layout === 'NCHW' ? [count, 3, height, width] : [count, height, width, 3];
    const asked = { id: String(nextId++), input: manifest.input.name, output, shape, tensor };
    // Text takes some 20 bytes for a number.
    const mostBytes = shortBytes + count * manifest.features.size * 32;
    const reply = await client.send(
      `${path}/infer`,
      { timeoutMs, mostBytes, onlyKept },
      inferenceRequest(asked, encoding),
    );
    const { values, version } = named(() => inferenceResponse(asked, reply.headers, reply.body));
    if (proved !== undefined && version !== proved) {
      const what = `${client.url} runs version ${version} of ${config.model} now, ${proved} was looked at`;
      throw new QcError('model-mismatch', what, { remedy: 'set model.remote.version to keep to one' });
    }
    proved = version;
    const rows = Array.from({ length: count }, (_, n) =>
      values.slice((n * values.length) / count, ((n + 1) * values.length) / count),
    );
    if (rows[0]!.length === manifest.features.size) return rows;
    const what = `${client.url} gives ${rows[0]!.length} features a picture, the manifest says ${manifest.features.size}`;
    throw new QcError('model-mismatch', what, { remedy: serverRemedy });
  }

  /** Sends the check picture. @returns ms that it took */
  async function prove(count: number, timeoutMs: number): Promise<number> {
    const tensor = new Float32Array(count * length);
    for (let n = 0; n < count; n++) tensor.set(picture, n * length);
    const begun = performance.now();
    const rows = await infer(tensor, count, timeoutMs);
    const tookMs = performance.now() - begun;
    for (const features of rows) {
      const reason = checkFailure(check, features, precision);
      if (reason === undefined) continue;
      throw new QcError('model-check-failed', `${client.url}: ${reason}`, { remedy: serverRemedy });
    }
    return tookMs;
  }

  /** A new connection may lead to another server, or to the same one after a restart: it shows what it runs before a picture is sent. */
  async function inferProved(tensor: Float32Array, count: number): Promise<Float32Array[]> {
    const { timeoutMs, parallel } = config;
    const begun = performance.now();
    // Another picture may take the connection that was proved for this one.
    for (let attempt = 0; attempt <= parallel; attempt++) {
      const left = Math.max(1, timeoutMs - (performance.now() - begun));
      try {
        return await infer(tensor, count, left, true);
      } catch (error) {
        if (!(error instanceof NotKept)) throw error;
        await prove(1, left);
      }
    }
    throw new QcError('inference-server-unreachable', `${client.url} keeps no connection open`);
  }

  async function mostPictures(extensions: readonly string[]): Promise<number> {
    if (!extensions.includes('model_configuration')) return base.batch;
    const { max_batch_size } = parse(modelConfigSchema, await ask(`${path}/config`));
    return Math.min(base.batch, max_batch_size || base.batch);
  }

  /** The first picture wakes the model up and may take its time; a server that does not announce binary data may know it. */
  async function wake(): Promise<void> {
    try {
      await prove(1, patienceMs);
    } catch (error) {
      const mayBeText = config.tensors === 'auto' && !server.extensions.includes('binary_tensor_data');
      if (!mayBeText || !(error instanceof QcError) || !isAboutContent(error)) throw error;
      encoding = 'json';
      await prove(1, patienceMs);
    }
  }

  await wake();
  if (most > 1) await prove(most, patienceMs);
  const tookMs = await prove(1, config.timeoutMs);
  const what = [
    `${server.name} ${server.version}`.trim(),
    ` at ${client.url}, model ${config.model}`,
    proved === undefined ? '' : `, version ${proved}`,
    `, ${encoding === 'binary' ? 'binary data' : 'JSON numbers'}`,
    most > 1 ? `, up to ${most} pictures a request` : '',
    `, ${Math.round(tookMs)} ms a picture`,
  ];
  return {
    description: what.join(''),
    batch: most,
    infer: inferProved,
    close: () => client.close(),
  };
}

const serverRemedy =
  'put the file of this base on the server (docs/remote.md), or name its model in model.remote.model';

const isAboutContent = ({ code }: QcError) =>
  ['inference-server-refused', 'inference-server-invalid', 'inference-server-failed'].includes(code);

/** @returns whether it takes several pictures at once. @throws QcError model-mismatch */
function requireFit(
  url: string,
  name: string,
  { inputs, outputs }: ModelMetadata,
  { manifest, output }: RemoteBase,
): boolean {
  const { input, features } = manifest;
  const { width, height, layout } = input;
  const wanted = layout === 'NCHW' ? [3, height, width] : [height, width, 3];
  const mismatch = (found: string, expected: string) =>
    new QcError('model-mismatch', `${url}: model ${name} has ${found}; the manifest says ${expected}`, {
      remedy: serverRemedy,
    });
  const [given] = inputs;
  const fits =
    inputs.length === 1 &&
    given!.name === input.name &&
    given!.datatype === 'FP32' &&
    given!.shape.length === 4 &&
    (given!.shape[0] === -1 || given!.shape[0] === 1) &&
    wanted.every((size, i) => [size, -1].includes(given!.shape[i + 1]!));
  if (!fits) {
    const expected = `${input.name} [-1 or 1,${wanted.join(',')}] FP32`;
    throw mismatch(`the input ${describeTensors(inputs)}`, expected);
  }
  const answer = outputs.find((one) => one.name === output);
  const size = answer?.shape.slice(1).reduce((product, dim) => product * dim, 1);
  // Some do not tell: then the check picture shows it.
  const isKnown = answer && answer.shape.length > 0 && answer.shape.slice(1).every((dim) => dim >= 0);
  if (answer?.datatype !== 'FP32' || (isKnown && size !== features.size)) {
    throw mismatch(`the outputs ${describeTensors(outputs)}`, `${output} [-1 or 1,${features.size}] FP32`);
  }
  return given!.shape[0] === -1;
}
