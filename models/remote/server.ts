/** Verifies that an inference server runs our base (manifest and features of the test image), and sends inference requests to it. */
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

/** The base that a server must run. */
export interface RemoteBase {
  /** Maximum number of images in one request, if the server supports batches. */
  readonly batch: number;
  readonly manifest: BaseManifest;
  /** Name of the output with the features. */
  readonly output: string;
  /** Expected features of the test image. */
  readonly check: Check;
  /** Determines the tolerance. */
  readonly precision: Precision;
}

export interface Server {
  /** "Triton 2.50.0 at http://gpu:8000, model base, version 1, binary data, 12 ms per image" */
  readonly description: string;
  /** Maximum number of images in one request. */
  readonly batch: number;
  /**
   * Features of `count` images, each [size].
   * @param tensor [count·3·H·W]. @throws QcError inference-server-…, model-mismatch
   */
  infer(tensor: Float32Array, count: number): Promise<Float32Array[]>;
  close(): void;
}

/** Timeout for all requests except inspection images, ms: the server may have to load the model first. */
const setupTimeoutMs = 5_000;
const maxMetadataBytes = 1 << 20;

/**
 * Connects to the server and verifies its model.
 * @param signal aborts this and all later requests
 * @throws QcError inference-server-…, model-mismatch (with what was found), model-check-failed
 */
export async function openServer(
  config: RemoteConfig,
  base: RemoteBase,
  signal: AbortSignal,
): Promise<Server> {
  const client = openClient(config, signal);
  try {
    return await verify(client, config, base);
  } catch (error) {
    client.close();
    throw error;
  }
}

async function verify(client: Client, config: RemoteConfig, base: RemoteBase): Promise<Server> {
  const { manifest, output, check, precision } = base;
  const ask = async (path: string) =>
    (await client.send(path, { timeoutMs: setupTimeoutMs, maxBytes: maxMetadataBytes })).body;
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
  const description = await ask(path);
  const metadata = named(() => parse(modelMetadataSchema, description));
  const takesSeveral = requireFit(client.url, config.model, metadata, base);
  const maxBatch = takesSeveral && base.batch > 1 ? await maxImages(server.extensions) : 1;

  const { width, height, layout } = manifest.input;
  const length = 3 * width * height;
  /** The test image as a tensor. */
  const testImage = makePrepare(manifest.input)(checkImage(width, height));
  let nextId = 0;
  let encoding: Encoding = config.tensors === 'json' ? 'json' : 'binary';
  /** The version that was verified. */
  let verified: string | undefined;

  async function infer(
    tensor: Float32Array,
    count: number,
    timeoutMs: number,
    onlyKept = false,
  ): Promise<Float32Array[]> {
    const shape = layout === 'NCHW' ? [count, 3, height, width] : [count, height, width, 3];
    const asked = { id: String(nextId++), input: manifest.input.name, output, shape, tensor };
    // JSON needs about 20 bytes per number.
    const maxBytes = maxMetadataBytes + count * manifest.features.size * 32;
    const reply = await client.send(
      `${path}/infer`,
      { timeoutMs, maxBytes, onlyKept },
      inferenceRequest(asked, encoding),
    );
    const { values, version } = named(() => inferenceResponse(asked, reply.headers, reply.body));
    if (verified !== undefined && version !== verified) {
      const what = `${client.url} runs version ${version} of ${config.model} now, ${verified} was verified`;
      throw new QcError('model-mismatch', what, { remedy: 'set model.remote.version to keep to one' });
    }
    verified = version;
    const rows = Array.from({ length: count }, (_, n) =>
      values.slice((n * values.length) / count, ((n + 1) * values.length) / count),
    );
    if (rows[0]!.length === manifest.features.size) return rows;
    const what = `${client.url} returns ${rows[0]!.length} features per image, the manifest says ${manifest.features.size}`;
    throw new QcError('model-mismatch', what, { remedy: serverRemedy });
  }

  /** Sends the test image and checks its features. @returns latency, ms */
  async function checkFeatures(count: number, timeoutMs: number): Promise<number> {
    const tensor = new Float32Array(count * length);
    for (let n = 0; n < count; n++) tensor.set(testImage, n * length);
    const startedAt = performance.now();
    const rows = await infer(tensor, count, timeoutMs);
    const tookMs = performance.now() - startedAt;
    for (const features of rows) {
      const reason = checkFailure(check, features, precision);
      if (reason === undefined) continue;
      throw new QcError('model-check-failed', `${client.url}: ${reason}`, { remedy: serverRemedy });
    }
    return tookMs;
  }

  /** A new connection may lead to another or a restarted server: the test image is sent before any other image. */
  async function inferVerified(tensor: Float32Array, count: number): Promise<Float32Array[]> {
    const { timeoutMs, parallel } = config;
    const startedAt = performance.now();
    // Another request may take the verified connection first.
    for (let attempt = 0; attempt <= parallel; attempt++) {
      const left = Math.max(1, timeoutMs - (performance.now() - startedAt));
      try {
        return await infer(tensor, count, left, true);
      } catch (error) {
        if (!(error instanceof NotKept)) throw error;
        await checkFeatures(1, left);
      }
    }
    throw new QcError('inference-server-unreachable', `${client.url} does not keep connections open`);
  }

  async function maxImages(extensions: readonly string[]): Promise<number> {
    if (!extensions.includes('model_configuration')) return base.batch;
    const { max_batch_size } = parse(modelConfigSchema, await ask(`${path}/config`));
    return Math.min(base.batch, max_batch_size || base.batch);
  }

  /** The first inference may be slow because the model is loaded. Also tries binary data if the server does not announce it. */
  async function warmUp(): Promise<void> {
    try {
      await checkFeatures(1, setupTimeoutMs);
    } catch (error) {
      const mayBeText = config.tensors === 'auto' && !server.extensions.includes('binary_tensor_data');
      if (!mayBeText || !(error instanceof QcError) || !isAboutContent(error)) throw error;
      encoding = 'json';
      await checkFeatures(1, setupTimeoutMs);
    }
  }

  await warmUp();
  if (maxBatch > 1) await checkFeatures(maxBatch, setupTimeoutMs);
  const tookMs = await checkFeatures(1, config.timeoutMs);
  const what = [
    `${server.name} ${server.version}`.trim(),
    ` at ${client.url}, model ${config.model}`,
    verified === undefined ? '' : `, version ${verified}`,
    `, ${encoding === 'binary' ? 'binary data' : 'JSON numbers'}`,
    maxBatch > 1 ? `, up to ${maxBatch} images per request` : '',
    `, ${Math.round(tookMs)} ms per image`,
  ];
  return {
    description: what.join(''),
    batch: maxBatch,
    infer: inferVerified,
    close: () => client.close(),
  };
}

const serverRemedy =
  'put the file of this base on the server (docs/remote.md), or name its model in model.remote.model';

const isAboutContent = ({ code }: QcError) =>
  ['inference-server-refused', 'inference-server-invalid', 'inference-server-failed'].includes(code);

/** @returns whether it supports batches. @throws QcError model-mismatch */
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
  // Some servers do not report it: then the test image shows it.
  const isKnown = answer && answer.shape.length > 0 && answer.shape.slice(1).every((dim) => dim >= 0);
  if (answer?.datatype !== 'FP32' || (isKnown && size !== features.size)) {
    throw mismatch(`the outputs ${describeTensors(outputs)}`, `${output} [-1 or 1,${features.size}] FP32`);
  }
  return given!.shape[0] === -1;
}
