/** Settings of the model and of the inference server. */
import { z } from 'zod';
import { milliseconds } from './schema-parts.ts';

export const remoteSchema = z.strictObject({
  url: z
    .string()
    .regex(/^https?:\/\/[^\s?#]+$/, 'url must look like http://host:8000 or https://host:8000')
    .describe('address of the server, without the /v2 of the protocol'),
  model: z.string().min(1).max(200).describe('name of the model on the server'),
  version: z
    .string()
    .min(1)
    .max(100)
    .optional()
    .describe(
      'version of the model; default: the version that the server chooses, which must then stay the same',
    ),
  timeoutMs: milliseconds(10, 60_000)
    .default(500)
    .describe('ms to wait for an answer of the server; then the image is judged locally'),
  tokenFile: z
    .string()
    .min(1)
    .optional()
    .describe('file that contains a token, sent as Bearer; read again at each new check of the server'),
  token: z
    .string()
    .optional()
    .meta({ secret: true })
    .describe('from the environment only: QC_MODEL__REMOTE__TOKEN'),
  ca: z.string().min(1).optional().describe('PEM file of the authority that signed the server certificate'),
  tensors: z
    .enum(['auto', 'binary', 'json'])
    .default('auto')
    .describe('encoding of tensors; auto: binary if the server supports it'),
  parallel: z.number().int().min(1).max(16).default(2).describe('maximum number of concurrent requests'),
});

export const modelSchema = z.strictObject({
  base: z
    .string()
    .min(1)
    .default('resnet50-embedded')
    .describe(
      'name of an embedded or pulled base, or path of an .onnx file with its manifest in the same folder',
    ),
  provider: z
    .enum(['auto', 'tensorrt', 'cuda', 'webgpu', 'cpu', 'remote'])
    .default('auto')
    .describe(
      'auto uses the first of TensorRT, CUDA, WebGPU, CPU that passes its warm-up check; remote uses the server under remote, and the choice of auto while that fails',
    ),
  remote: remoteSchema
    .optional()
    .describe('an inference server that runs the base (Open Inference Protocol); needs provider: remote'),
  precision: z
    .enum(['auto', 'fp32', 'fp16', 'int8'])
    .default('auto')
    .describe(
      'variant of the base; auto uses the fastest variant that passed its gate (qc-agent models quantize)',
    ),
  threads: z
    .number()
    .int()
    .min(0)
    .max(256)
    .default(0)
    .describe(
      'CPU threads for inference; 0 = one per core. A single image uses all threads; concurrent images run in parallel, one thread each',
    ),
  batch: z
    .strictObject({
      size: z
        .number()
        .int()
        .min(0)
        .max(64)
        .default(0)
        .describe(
          'maximum number of images per batch; 0 = default: 1 on the CPU and TensorRT, 8 on CUDA and WebGPU, 4 on a server that supports batches. More than 1 needs a base with a dynamic batch dimension',
        ),
      waitMs: z
        .number()
        .int()
        .min(0)
        .max(1_000)
        .default(2)
        .describe(
          'maximum time that an image waits for a batch while the model is free, ms; no effect with size 1',
        ),
    })
    .prefault({})
    .describe('batches of images of all cameras'),
  maxMemoryMb: z
    .number()
    .int()
    .min(0)
    .max(1_000_000)
    .default(0)
    .describe(
      'most memory that the bases may need, MB: the one in use and that of a shadow version. The agent refuses to open a base that needs more. 0 = half of the memory of the machine or container',
    ),
  gpu: z
    .strictObject({
      deviceId: z
        .number()
        .int()
        .min(0)
        .max(63)
        .default(0)
        .describe('index of the NVIDIA GPU for CUDA and TensorRT, as shown by nvidia-smi'),
    })
    .prefault({})
    .describe('inference on a GPU (docs/gpu.md)'),
  profile: z
    .string()
    .min(1)
    .optional()
    .describe('folder for a profile of the first 500 runs of the base, with the time of each node'),
});
