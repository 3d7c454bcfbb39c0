/** The manifests of a base and of a head version. */

import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { check } from '../config/check.ts';
import { QcError } from '../config/errors.ts';
import { sealed, unsealed } from './disk/checksum.ts';
import { quantizationSchema } from './quantize/report.ts';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'must be a sha256: 64 hex digits in lower case');
const plainFile = z.string().regex(/^[^/\\]+$/, 'must be a file name without folders');
const finite = z.number();
const three = z.tuple([finite, finite, finite]);
const probability = z.number().min(0).max(1);

const precisionSchema = z.enum(['fp32', 'fp16', 'int8']);

const baseInputSchema = z.strictObject({
  name: z.string().min(1).describe('name of the graph input'),
  layout: z.enum(['NCHW', 'NHWC']),
  width: z.number().int().min(1).max(4096),
  height: z.number().int().min(1).max(4096),
  channels: z.enum(['RGB', 'BGR']),
  scale: z
    .number()
    .positive()
    .default(1 / 255)
    .describe('each 8-bit value is multiplied by this first'),
  mean: three.describe('subtracted after scaling, in the order of `channels`'),
  std: three
    .refine((std) => std.every((value) => value > 0), 'must be positive')
    .describe('divided by after the mean, in the order of `channels`'),
});

const checkSchema = z.strictObject({
  image: z.literal('gradient-1').describe('the generated test image: see models/run/warm-up-check.ts'),
  features: z
    .record(z.string().regex(/^\d+$/, 'must be the index of a feature'), finite)
    .refine((features) => Object.keys(features).length >= 4, 'must have at least 4 features')
    .describe('some of the features computed on a CPU, by index'),
  norm: z.number().positive().describe('Euclidean length of all features'),
});

const version = z.literal([1, 2]).describe('2: with a checksum of the content; 1: without');

export const baseManifestSchema = z.strictObject({
  schema: version,
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'letters, digits, dot, - and _'),
  file: plainFile.describe('the .onnx next to this manifest'),
  sha256,
  licence: z.string().min(1),
  origin: z.string().min(1).describe('where the weights come from'),
  opset: z.number().int().positive(),
  network: z
    .string()
    .min(1)
    .max(200)
    .optional()
    .describe('kind of network: "ResNet50 v1.5", "vision transformer, patches of 14×14 pixels"'),
  cost: z
    .number()
    .positive()
    .optional()
    .describe('time for one image relative to the embedded base, measured on one CPU thread at import'),
  precision: precisionSchema,
  variantOf: sha256
    .optional()
    .describe(
      'sha256 of the fp32 base that this is a variant of: heads for that base also work with the variant',
    ),
  input: baseInputSchema,
  features: z.strictObject({
    tensor: z.string().min(1).describe('an output of the graph, or a tensor inside it at which it is cut'),
    pool: z.enum(['none', 'average']).describe('average: [N,C,H,W] is averaged over height and width'),
    size: z.number().int().min(1).max(65_536).describe('features of one image'),
  }),
  maps: z
    .array(
      z.strictObject({
        tensor: z.string().min(1).describe('a tensor of the graph, [N,C,H/stride,W/stride]'),
        stride: z
          .number()
          .int()
          .min(2)
          .max(64)
          .describe(
            'pixels of the input per cell: 8 is stage 2, 16 is stage 3; of a transformer half a patch and a patch',
          ),
        channels: z.number().int().min(1).max(65_536),
      }),
    )
    .max(2)
    .refine(
      ([first, second]) => !second || first!.stride < second.stride,
      'the finer map first, one per stride',
    )
    .optional()
    .describe('feature maps for heads with localized features; default: found in the graph; []: none'),
  fineTuned: z
    .strictObject({ from: z.string().min(1).describe('its name or path'), sha256 })
    .optional()
    .describe(
      'of a base that was fine-tuned on this station: the frozen base. It judges only with its own head, and training uses the frozen base',
    ),
  quantization: quantizationSchema
    .optional()
    .describe('int8 variants made here: method, and figures of the check that it passed'),
  check: checkSchema.optional().describe('verifies that weights, preparation and provider work together'),
  figures: z.record(z.string(), z.union([z.number(), z.string()])).default({}),
});

const thresholdsSchema = z.strictObject({
  pass: probability.min(0.5),
  fail: probability.gt(0),
  failByLabel: z.record(z.string(), probability.gt(0)).optional(),
});

const headManifestShape = z.strictObject({
  schema: version,
  version: z.string().regex(/^\d{4}-\d{2}-\d{2}\.\d+$/, 'must look like 2026-11-23.2'),
  base: z.strictObject({
    name: z.string().min(1),
    sha256,
    features: z.string().min(1).describe('the tensor the head was trained on'),
  }),
  labels: z
    .array(z.string().min(1))
    .min(1)
    .refine((labels) => new Set(labels).size === labels.length, 'must not repeat a label'),
  thresholds: thresholdsSchema.optional().describe('default: the thresholds of the config'),
  familiar: z
    .number()
    .min(-1)
    .max(1)
    .optional()
    .describe(
      'a part with a lower familiarity is unfamiliar: 0.5, or a cosine for heads that compare by cosine; default: no part is',
    ),
  scoreLimit: finite
    .optional()
    .describe('for a head trained on good parts only: the score at which its familiarity is 0.5'),
  where: z
    .number()
    .positive()
    .optional()
    .describe(
      'minimum peak of the output `where`, in standard deviations of ordinary cells, from which a location is reported; default: none is',
    ),
  head: z.strictObject({ file: plainFile, sha256 }),
  temperature: z.number().positive().describe('already folded into the weights; for the record'),
  createdAt: z.iso.datetime(),
  training: z
    .record(z.string(), z.union([z.number(), z.string(), z.boolean(), z.record(z.string(), z.number())]))
    .default({})
    .describe('how it was trained: method, images, figures'),
});

// The probability of an only label is always 1: without this limit every part would pass.
const headManifestSchema = headManifestShape.refine(
  ({ labels, familiar }) => labels.length > 1 || familiar !== undefined,
  { path: ['familiar'], message: 'a head with one label needs a limit for familiarity' },
);

export type BaseManifest = z.output<typeof baseManifestSchema>;
export type BaseInput = z.output<typeof baseInputSchema>;
export type Check = z.output<typeof checkSchema>;
export type Precision = z.output<typeof precisionSchema>;
export type HeadManifest = z.output<typeof headManifestSchema>;

/** Reads the manifest of a base. Throws `model-missing` or `model-damaged`, naming file and field. */
export function readBaseManifest(file: string): Promise<BaseManifest> {
  return readManifest(file, baseManifestSchema);
}

/** Reads the manifest of a head version. Throws `model-missing` or `model-damaged`, naming file and field. */
export function readHeadManifest(file: string): Promise<HeadManifest> {
  return readManifest(file, headManifestSchema);
}

/** The text of a manifest file: JSON with its checksum. */
export function manifestText(manifest: BaseManifest | HeadManifest): string {
  return `${JSON.stringify(sealed(manifest), null, 2)}\n`;
}

async function readManifest<T>(file: string, schema: z.ZodType<T>): Promise<T> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw new QcError('model-missing', `cannot read the manifest ${file}: ${(cause as Error).message}`, {
      cause,
    });
  }
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (cause) {
    throw new QcError('model-damaged', `${file} is not JSON: ${(cause as Error).message}`, { cause });
  }
  try {
    content = unsealed(content);
  } catch (cause) {
    throw new QcError('model-damaged', `${file} ${(cause as Error).message}`, {
      remedy:
        'restore it from a backup; instead of a damaged head, another version can be promoted; if you edited the file, set "schema" to 1, remove "checksum" and run: qc-agent models seal',
      cause,
    });
  }
  const parsed = check(schema, content);
  if (parsed.success) return parsed.data;
  const wrong = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'manifest'}: ${issue.message}`);
  throw new QcError('model-damaged', `${file} does not describe a model: ${wrong.join('; ')}`, {
    remedy: 'correct the named fields of the manifest',
  });
}
