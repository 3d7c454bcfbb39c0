/**
 * The part of the Open Inference Protocol (KServe's "v2") over HTTP that one float32 input and one output need, with the binary
 * tensor data extension: requests and validation of responses. Pure.
 * https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
 */

import { z } from 'zod';
import { check } from '../../config/check.ts';
import { QcError } from '../../config/errors.ts';

// Unknown fields are ignored, because servers add their own.
const tensorSchema = z.object({ name: z.string(), datatype: z.string(), shape: z.array(z.number().int()) });
export const serverSchema = z.object({
  name: z.string().default('unnamed server'),
  version: z.string().default(''),
  extensions: z.array(z.string()).default([]),
});
export const modelMetadataSchema = z.object({
  name: z.string(),
  versions: z.array(z.string()).optional(),
  platform: z.string().default(''),
  inputs: z.array(tensorSchema),
  outputs: z.array(tensorSchema),
});
/** Triton's model configuration extension; 0 means that the model has no batch dimension. */
export const modelConfigSchema = z.object({ max_batch_size: z.number().int().min(0).default(0) });
const errorSchema = z.object({ error: z.string() });
const outputSchema = tensorSchema.extend({
  parameters: z.object({ binary_data_size: z.number().int().min(0).optional() }).optional(),
  data: z.unknown().optional(),
});
const inferenceSchema = z.object({
  model_version: z.string().optional(),
  id: z.string().optional(),
  outputs: z.array(outputSchema),
});

export type TensorMetadata = z.output<typeof tensorSchema>;
export type ModelMetadata = z.output<typeof modelMetadataSchema>;
export type Encoding = 'binary' | 'json';

export interface InferenceRequest {
  readonly id: string;
  readonly input: string;
  readonly output: string;
  /** Shape of the input; the batch dimension first. */
  readonly shape: readonly number[];
  readonly tensor: Float32Array;
}

export interface Message {
  readonly headers: Readonly<Record<string, string>>;
  /** Sent in this order. */
  readonly body: readonly Uint8Array[];
}

/** The header with the length of the JSON that precedes the tensors in a body. */
const jsonLength = 'inference-header-content-length';

/** The request for one inference. */
export function inferenceRequest(
  { id, input, output, shape, tensor }: InferenceRequest,
  encoding: Encoding,
): Message {
  const described = { name: input, shape, datatype: 'FP32' };
  if (encoding === 'json') {
    const inputs = [{ ...described, data: Array.from(tensor) }];
    const json = Buffer.from(JSON.stringify({ id, inputs, outputs: [{ name: output }] }));
    return { headers: { 'content-type': 'application/json' }, body: [json] };
  }
  // Little-endian, as is every processor that onnxruntime and Node have builds for.
  const raw = new Uint8Array(tensor.buffer, tensor.byteOffset, tensor.byteLength);
  const inputs = [{ ...described, parameters: { binary_data_size: raw.length } }];
  const outputs = [{ name: output, parameters: { binary_data: true } }];
  const json = Buffer.from(JSON.stringify({ id, inputs, outputs }));
  const headers = { 'content-type': 'application/octet-stream', [jsonLength]: String(json.length) };
  return { headers, body: [json, raw] };
}

export interface Inferred {
  /** Undefined if the server has no versions. */
  readonly version: string | undefined;
  /** In the order of the images. */
  readonly values: Float32Array;
}

/**
 * Parses the response to one inference, with JSON numbers or binary data.
 * @throws QcError inference-server-invalid, with what is wrong
 */
export function inferenceResponse(
  asked: Pick<InferenceRequest, 'id' | 'output' | 'shape'>,
  headers: Readonly<Record<string, string | string[] | undefined>>,
  body: Buffer,
): Inferred {
  const length = headers[jsonLength] === undefined ? body.length : Number(headers[jsonLength]);
  if (!Number.isInteger(length) || length < 0 || length > body.length) {
    throw invalid(`says that ${headers[jsonLength]} of its ${body.length} bytes are JSON`);
  }
  const answer = parse(inferenceSchema, body.subarray(0, length));
  if (answer.id !== undefined && answer.id !== asked.id) throw invalid('responds to another request');
  let from = length;
  for (const { parameters, data, ...tensor } of answer.outputs) {
    const size = parameters?.binary_data_size;
    const raw = size === undefined ? undefined : body.subarray(from, from + size);
    from += size ?? 0;
    if (tensor.name !== asked.output) continue;
    const count = tensor.shape.reduce((product, dim) => product * dim, 1);
    if (tensor.datatype !== 'FP32' || tensor.shape[0] !== asked.shape[0] || count < 1) {
      throw invalid(`gives ${describeTensors([tensor])} for ${asked.shape[0]} pictures`);
    }
    const values = raw ? fromBytes(raw) : fromNumbers(data);
    if (values?.length !== count) throw invalid(`gives no ${count} numbers for ${describeTensors([tensor])}`);
    if (!values.every(Number.isFinite)) throw invalid(`returns values in ${tensor.name} that are not finite`);
    return { version: answer.model_version, values };
  }
  throw invalid(`returns no output ${asked.output}`);
}

function fromBytes(raw: Uint8Array): Float32Array | undefined {
  if (raw.length % 4 !== 0) return undefined;
  const values = new Float32Array(raw.length / 4);
  new Uint8Array(values.buffer).set(raw);
  return values;
}

/** Flat or nested, as the specification allows; undefined for anything else. */
function fromNumbers(data: unknown): Float32Array | undefined {
  if (!Array.isArray(data)) return undefined;
  const flat = data.flat(Number.POSITIVE_INFINITY) as unknown[];
  return flat.every((value) => typeof value === 'number') ? Float32Array.from(flat) : undefined;
}

/** Parses JSON by a schema. @throws QcError inference-server-invalid */
export function parse<T>(schema: z.ZodType<T>, body: Buffer): T {
  let json: unknown;
  try {
    json = JSON.parse(body.toString('utf8'));
  } catch {
    throw invalid('responds with something that is not JSON');
  }
  const parsed = check(schema, json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw invalid(
    `responds with JSON that does not follow the protocol: ${issue!.path.join('.')} ${issue!.message}`,
  );
}

/** The error message of a server, truncated; empty if there is none. */
export function errorText(body: Buffer): string {
  try {
    const { error } = errorSchema.parse(JSON.parse(body.toString('utf8')));
    return error.replace(/\s+/g, ' ').slice(0, 200);
  } catch {
    return '';
  }
}

/** "input [-1,3,224,224] FP32, …" */
export const describeTensors = (tensors: readonly TensorMetadata[]): string =>
  tensors.map(({ name, shape, datatype }) => `${name} [${shape.join(',')}] ${datatype}`).join(', ') ||
  'nothing';

const invalid = (what: string) => new QcError('inference-server-invalid', what);
