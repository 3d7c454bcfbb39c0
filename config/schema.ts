/** All settings with type, default, unit and description. Types, JSON Schema and reference are derived from them. */
import { z } from 'zod';
import { cameraSchema, regionSchema, type triggerSchema } from './camera-schema.ts';
import { mqttSchema } from './mqtt-schema.ts';
import { areDistinct, fraction, labelName, milliseconds, name } from './schema-parts.ts';

export const httpSchema = z.strictObject({
  host: z
    .string()
    .min(1)
    .default('127.0.0.1')
    .describe('address to listen on; any address other than loopback needs tokensFile'),
  port: z.number().int().min(0).max(65_535).default(8080).describe('0 = any free port'),
  tokensFile: z
    .string()
    .min(1)
    .optional()
    .describe(
      'file of access tokens, one "name role sha256" per line (create them with qc-agent token); read again when it changes',
    ),
  cert: z
    .string()
    .min(1)
    .optional()
    .describe('PEM file of the certificate for HTTPS; read again when it changes'),
  key: z.string().min(1).optional().describe('PEM file of its key'),
  sessionHours: z
    .number()
    .positive()
    .max(8_760)
    .default(12)
    .describe('h after which a user must log in again'),
  sessionIdleMinutes: z
    .number()
    .positive()
    .max(10_080)
    .default(30)
    .describe(
      'min without activity (a change or an opened page) after which an operator or engineer is logged out',
    ),
  requestsPerMinute: z
    .number()
    .int()
    .min(60)
    .max(1_000_000)
    .default(6_000)
    .describe('most requests per minute of one token, or of one address without a token'),
  maxBodyMb: z.number().positive().max(1_000).default(20).describe('largest request body, MB'),
});

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
  parallel: z.number().int().min(1).max(16).default(2).describe('most requests in progress at a time'),
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
          'most images per batch; 0 = default: 1 on the CPU and TensorRT, 8 on CUDA and WebGPU, 4 on a server that supports batches. More than 1 needs a base with a dynamic batch dimension',
        ),
      waitMs: z
        .number()
        .int()
        .min(0)
        .max(1_000)
        .default(2)
        .describe(
          'longest time that an image waits for a batch while the model is free, ms; no effect with size 1',
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
      'most memory that the base may need, MB; the agent refuses to start with a base that needs more. 0 = half of the memory of the machine or container',
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

export const stationSchema = name().describe(
  'name of this station: letters, digits, - and _; part of topics and results',
);

export const storageSchema = z.strictObject({
  directory: z
    .string()
    .min(1)
    .default('./data')
    .describe('folder of everything the agent writes; relative to this file'),
  outboxMb: z
    .number()
    .int()
    .min(10)
    .max(100_000)
    .default(200)
    .describe('disk space for undelivered messages, MB; the oldest are discarded first'),
  outboxHours: z
    .number()
    .int()
    .min(1)
    .max(10_000)
    .default(168)
    .describe('longest time that a message waits for delivery, h; then it is discarded'),
  evidenceQuotaMb: z
    .number()
    .int()
    .min(0)
    .max(10_000_000)
    .default(2_000)
    .describe('disk space for evidence images, MB; 0 = store none'),
  auditMb: z
    .number()
    .int()
    .min(1)
    .max(100_000)
    .default(100)
    .describe('disk space for the audit log, MB; when it is full, the oldest tenth is deleted'),
  evidencePassShare: fraction
    .default(0.01)
    .describe('share of passed parts whose image is stored as evidence; all other parts are stored'),
  minFreeMb: z
    .number()
    .int()
    .min(0)
    .max(10_000_000)
    .default(500)
    .describe(
      'MB of disk space that must stay free; with less, evidence is not stored and the status says so',
    ),
});

export const trainingSchema = z.strictObject({
  views: z
    .enum(['auto', 'none', 'flips', 'turns'])
    .default('auto')
    .describe(
      'orientation of parts: none = always the same, flips = also mirrored, turns = also rotated by 90 degrees; auto = whichever evaluates best',
    ),
  augment: z
    .array(z.enum(['light', 'blur', 'crop', 'rotate']))
    .default([])
    .describe(
      'other variation between parts: light = 25 % darker or lighter, blur = slightly out of focus, crop = off centre, rotate = by 4 degrees',
    ),
  hidden: z
    .number()
    .int()
    .min(0)
    .max(1_024)
    .default(0)
    .describe('units of a hidden layer; 0 = a linear head, which needs the fewest labels'),
  escapeRate: fraction.gt(0).lt(1).default(0.05).describe('largest share of bad parts that may pass'),
  falseRejectRate: fraction
    .gt(0)
    .lt(1)
    .default(0.05)
    .describe('largest share of good parts that may fail for any one defect'),
  falseAlarmRate: fraction
    .gt(0)
    .lt(1)
    .default(0.05)
    .describe('largest share of good parts that may be uncertain because they are unlike the others'),
  costs: z
    .strictObject({
      escape: z.number().positive().describe('cost of a bad part that passes'),
      falseReject: z.number().positive().describe('cost of a good part that fails'),
      check: z.number().positive().describe('cost of checking an uncertain part by hand'),
      inspection: z
        .number()
        .min(0)
        .default(0)
        .describe('cost of inspecting one part (machine, power, service); used in the metrics only'),
    })
    .optional()
    .describe(
      'costs, all in the same unit: thresholds are derived from them instead of from the two rates; also used for the cost per part in the metrics',
    ),
  quantize: z
    .boolean()
    .default(true)
    .describe(
      'after an accepted training, also create an int8 variant of the base at the lowest priority, if none has passed its gate',
    ),
});

const recipeSchema = z.strictObject({
  description: z.string().max(200).optional().describe('description, shown where recipes are chosen'),
  cameras: z
    .record(
      name('camera name: '),
      z.strictObject({ region: regionSchema.describe('region to inspect instead of cameras.NAME.region') }),
    )
    .default({})
    .describe('cameras that inspect another region for this product; other cameras keep their region'),
  head: z
    .string()
    .min(1)
    .optional()
    .describe('model version for this product (qc-agent models list); default: the active version'),
  thresholds: z
    .strictObject({
      pass: fraction.min(0.5).optional().describe('instead of the pass threshold of the head'),
      fail: fraction.gt(0).optional().describe('instead of all fail thresholds of the head'),
      failByLabel: z
        .record(labelName, fraction.gt(0))
        .optional()
        .describe('fail thresholds of individual labels'),
    })
    .prefault({})
    .describe('thresholds for this product'),
});

export const configSchema = z.strictObject({
  station: stationSchema,
  cameras: z
    .record(name('camera name: '), cameraSchema)
    .refine((c) => Object.keys(c).length > 0, 'at least one camera is needed')
    .describe('cameras by name'),
  mqtt: mqttSchema.prefault({}).describe('the broker for results and commands'),
  http: httpSchema.prefault({}).describe('page, API, metrics and health'),
  model: modelSchema.prefault({}).describe('what judges'),
  labels: z
    .strictObject({
      good: z
        .array(labelName)
        .min(1)
        .refine(areDistinct, 'two of the labels differ only in case: use one of them')
        .default(['good'])
        .describe('labels that mean a good part; every other label is a defect'),
    })
    .prefault({})
    .describe('what the labels mean'),
  thresholds: z
    .strictObject({
      pass: fraction.min(0.5).default(0.7).describe('least probability of good labels for a part to pass'),
      fail: fraction
        .gt(0)
        .default(0.6)
        .describe(
          'least probability of one defect for a part to fail; a part that neither passes nor fails is uncertain',
        ),
    })
    .prefault({})
    .describe('used if the head has no thresholds of its own'),
  recipes: z
    .record(name('recipe name: '), recipeSchema)
    .default({})
    .describe(
      'products by name, selected by the command recipe; the recipe "default" uses the other settings of this file',
    ),
  training: trainingSchema
    .prefault({})
    .describe('how heads are trained, and the error rates that their thresholds must keep'),
  storage: storageSchema.prefault({}).describe('the data of the agent on disk'),
  log: z
    .strictObject({
      level: z
        .enum(['debug', 'info', 'warn', 'error'])
        .default('info')
        .describe('lowest level that is logged'),
      format: z
        .enum(['auto', 'json', 'text'])
        .default('auto')
        .describe('auto: text on a terminal, json elsewhere'),
    })
    .prefault({})
    .describe('the log, which is written to standard error'),
});

/** As loaded: defaults filled in, paths absolute, passwords read. */
export type Config = Omit<z.output<typeof configSchema>, 'mqtt'> & { mqtt: MqttConfig };
export type CameraConfig = z.output<typeof cameraSchema>;
export type TriggerConfig = z.output<typeof triggerSchema>;
export type MqttConfig = z.output<typeof mqttSchema> & { topic: string; clientId: string };
export type HttpConfig = z.output<typeof httpSchema>;
export type RecipeConfig = z.output<typeof recipeSchema>;
export type StorageConfig = z.output<typeof storageSchema>;
export type TrainingConfig = z.output<typeof trainingSchema>;
export type ModelConfig = z.output<typeof modelSchema>;
export type RemoteConfig = z.output<typeof remoteSchema>;
