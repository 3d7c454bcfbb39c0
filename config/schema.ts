/** Every setting once: its type, default, unit and description. Types, JSON Schema and reference come from here. */
import { z } from 'zod';
import { normalise, twinOf, whyNot } from './label-name.ts';

/** Names that become topic levels, label values and file names. */
const name = (what = '') =>
  z
    .string()
    .regex(
      /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/,
      `${what}letters, digits, - and _, at most 63, starting with a letter or digit`,
    );

const fraction = z.number().min(0).max(1);
const milliseconds = (least: number, most: number) => z.number().int().min(least).max(most);

const labelName = z
  .string()
  .min(1)
  .max(300)
  .overwrite(normalise)
  .superRefine((label, context) => {
    const why = whyNot(label);
    if (why !== undefined) context.addIssue({ code: 'custom', message: `cannot be a label: ${why}` });
  });

/** No two names that differ only in case or width. */
const areDistinct = (labels: readonly string[]) =>
  labels.every((label, i) => twinOf(label, labels.slice(0, i)) === undefined);

export const regionSchema = z
  .strictObject({
    x: fraction.default(0).describe('left edge, fraction of the frame width'),
    y: fraction.default(0).describe('top edge, fraction of the frame height'),
    width: fraction.gt(0).default(1).describe('width, fraction of the frame width'),
    height: fraction.gt(0).default(1).describe('height, fraction of the frame height'),
  })
  .refine((r) => r.x + r.width <= 1 + 1e-9, {
    path: ['width'],
    message: 'x + width must not exceed 1: the region leaves the frame on the right',
  })
  .refine((r) => r.y + r.height <= 1 + 1e-9, {
    path: ['height'],
    message: 'y + height must not exceed 1: the region leaves the frame at the bottom',
  });

const continuousSchema = z.strictObject({
  kind: z.literal('continuous').describe('a part every so many ms, whatever is in view'),
  everyMs: milliseconds(1, 3_600_000).default(200).describe('ms from one judged part to the next'),
});

const presenceSchema = z
  .strictObject({
    kind: z
      .literal('presence')
      .describe('whatever enters the region is a part, judged once from its best frames'),
    enter: fraction
      .gt(0)
      .default(0.06)
      .describe('share of the region that must differ from the empty background for a part to be there'),
    leave: fraction.default(0.03).describe('share below which the part has left; less than enter'),
    relearnAfterMs: milliseconds(0, 86_400_000)
      .default(600_000)
      .describe(
        'ms a part may stay in view before the image is taken for the empty background, until the one before is seen again; 0 = never',
      ),
  })
  .refine((t) => t.leave < t.enter, {
    path: ['leave'],
    message: 'leave must be smaller than enter, or a part on the edge would be judged twice',
  });

const commandSchema = z.strictObject({
  kind: z.literal('command').describe('a part when a PLC says so, by MQTT or HTTP'),
  timeoutMs: milliseconds(10, 60_000)
    .default(1_000)
    .describe('ms to wait for a frame captured after the trigger before the job is refused'),
  resultMs: milliseconds(100, 600_000)
    .default(10_000)
    .describe('ms from the trigger to its result; then the result is failed, never late'),
  acknowledgeMs: milliseconds(0, 3_600_000)
    .default(0)
    .describe('ms the PLC has to acknowledge a result before its place is given away; 0 = it need not'),
  jobs: z
    .number()
    .int()
    .min(1)
    .max(16)
    .default(4)
    .describe('jobs accepted and not finished at a time; one more is refused as busy'),
  repeatMs: milliseconds(0, 600_000)
    .default(10_000)
    .describe('ms in which a trigger that is sent again (same requestId) gets the same job; 0 = off'),
});

export const triggerSchema = z.discriminatedUnion('kind', [continuousSchema, presenceSchema, commandSchema]);

export const cameraSchema = z.strictObject({
  url: z
    .string()
    .regex(
      /^(rtsps?:\/\/[^\s]+|file:.+)$/,
      'url must start with rtsp://, rtsps:// or file: (an image, or a folder of images)',
    )
    .describe(
      'rtsp://user@host/path, or file:FOLDER to let images stand in for a camera; never put the password here',
    ),
  passwordFile: z.string().min(1).optional().describe('file that holds the camera password'),
  password: z
    .string()
    .optional()
    .meta({ secret: true })
    .describe('only from the environment: QC_CAMERAS__<NAME>__PASSWORD'),
  transport: z
    .enum(['tcp', 'udp'])
    .default('tcp')
    .describe('how RTP travels: tcp inside the RTSP connection, or udp'),
  decoder: z
    .enum(['node-av', 'ffmpeg'])
    .default('node-av')
    .describe('node-av: bundled FFmpeg; ffmpeg: the command line of this machine'),
  hardware: z
    .enum(['none', 'cuda', 'jetson'])
    .default('none')
    .describe('hardware decoding; falls back to software, and says so, where it is not available'),
  region: regionSchema.prefault({}).describe('which part of the picture is inspected'),
  trigger: triggerSchema.prefault({ kind: 'continuous' }).describe('when there is a part'),
  vote: z
    .strictObject({
      frames: z.number().int().min(1).max(25).default(1).describe('frames judged for one part'),
    })
    .prefault({})
    .describe('several frames may vote on one part'),
  maxWaitMs: milliseconds(100, 600_000)
    .default(5_000)
    .describe(
      'ms a part may wait to be judged; then its result is failed, so that those after it are in time',
    ),
  maxFps: z
    .number()
    .positive()
    .max(240)
    .optional()
    .describe('frames per second handed over by the decoder; default: what the trigger needs'),
  clock: z
    .enum(['arrival', 'camera'])
    .default('arrival')
    .describe(
      'capture time: arrival (smoothed by the stream time) or the camera clock (RTCP sender reports; needs NTP on the camera)',
    ),
  maxAgeMs: milliseconds(100, 600_000)
    .default(2_000)
    .describe(
      'ms from capture to the agent beyond which an image cannot make a part pass; a camera whose images are all older is not ready',
    ),
  latencyMs: milliseconds(0, 10_000)
    .default(0)
    .describe(
      'known delay from shutter to arrival, ms, subtracted with clock: arrival (qc-agent latency measures it); less than maxAgeMs',
    ),
  stallMs: milliseconds(200, 600_000)
    .default(5_000)
    .describe('ms without a frame after which the stream counts as stalled and is reopened'),
  damageMs: milliseconds(500, 600_000)
    .default(5_000)
    .describe(
      'ms without a key frame after damage (lost packets), after which the stream is reopened; no damaged frame is judged',
    ),
  freezeMs: milliseconds(0, 3_600_000)
    .default(10_000)
    .describe('ms of identical frames after which the stream counts as frozen and is reopened; 0 = off'),
  simulated: z
    .boolean()
    .default(false)
    .describe('mark results as simulated (pretend lines; always true for file:)'),
});

/** Sparkplug 3.0 §4.1: ids become topic levels. */
const sparkplugId = z
  .string()
  .regex(
    /^(?!STATE$)[^+/#\s\p{Cc}]([^+/#\p{Cc}]{0,61}[^+/#\s\p{Cc}])?$/u,
    'at most 63 characters without +, /, #, and no space at either end; not STATE',
  );

export const sparkplugSchema = z.strictObject({
  groupId: sparkplugId.describe('group of this edge node: often the plant or the area'),
  edgeNodeId: sparkplugId
    .optional()
    .describe('name of this agent as an edge node, unique within its group; default <station>'),
  primaryHost: sparkplugId
    .optional()
    .describe(
      'id of the host application to wait for: results are kept while it is offline; default: wait for none',
    ),
  clientId: z.string().min(1).max(64).optional().describe('default <mqtt.clientId>-sparkplug'),
});

export const mqttSchema = z.strictObject({
  url: z
    .string()
    .regex(/^mqtts?:\/\/[^\s/]+\/?$/, 'url must look like mqtt://host:1883 or mqtts://host:8883')
    .default('mqtt://127.0.0.1:1883')
    .describe('broker'),
  protocol: z.enum(['auto', '5', '3.1.1']).default('auto').describe('MQTT version; auto tries 5 first'),
  topic: z
    .string()
    .regex(/^[^#+\s/][^#+\0\s]*[^#+\s/]$|^[^#+\s/]$/, 'topic: no wildcards, spaces, or slash at either end')
    .optional()
    .describe('all topics start with this, ISA-95 style; default qc/<station>'),
  clientId: z.string().min(1).max(64).optional().describe('default qc-<station>'),
  username: z.string().min(1).optional().describe('user at the broker'),
  passwordFile: z.string().min(1).optional().describe('file that holds the broker password'),
  password: z
    .string()
    .optional()
    .meta({ secret: true })
    .describe('only from the environment: QC_MQTT__PASSWORD'),
  ca: z.string().min(1).optional().describe('PEM file of the authority that signed the broker certificate'),
  cert: z.string().min(1).optional().describe('PEM file of the client certificate'),
  key: z.string().min(1).optional().describe('PEM file of the client key'),
  qos: z
    .union([z.literal(0), z.literal(1)])
    .default(1)
    .describe(
      'quality of service of messages and subscriptions; 0 only for a broker without QoS 1, where a lost connection may lose what it had not read',
    ),
  retain: z
    .boolean()
    .default(true)
    .describe(
      'publish status, handshakes and the last will retained; false only for a broker without retained messages',
    ),
  commands: z
    .boolean()
    .default(true)
    .describe('subscribe to commands; false for a station that takes none over MQTT'),
  keepaliveSeconds: z.number().int().min(1).max(3_600).default(15).describe('s between two signs of life'),
  outboxMessages: z
    .number()
    .int()
    .min(10)
    .max(1_000_000)
    .default(50_000)
    .describe('results kept while the broker is away, and as many verdicts; the oldest go first'),
  commandMaxAgeMs: milliseconds(100, 3_600_000)
    .default(5_000)
    .describe('a command with an older issuedAt is refused as stale'),
  sparkplug: sparkplugSchema
    .optional()
    .describe('publish as a Sparkplug B edge node as well, each camera a device; absent: not at all'),
});

export const httpSchema = z.strictObject({
  host: z
    .string()
    .min(1)
    .default('127.0.0.1')
    .describe('address to listen on; any other than loopback needs tokensFile'),
  port: z.number().int().min(0).max(65_535).default(8080).describe('0 = any free port'),
  tokensFile: z
    .string()
    .min(1)
    .optional()
    .describe(
      'file of access tokens: one "name role sha256" a line (qc-agent token makes one); read again when it changes',
    ),
  cert: z
    .string()
    .min(1)
    .optional()
    .describe('PEM file of the certificate to serve HTTPS with; read again when it changes'),
  key: z.string().min(1).optional().describe('PEM file of its key'),
  sessionHours: z
    .number()
    .positive()
    .max(8_760)
    .default(12)
    .describe('h after which somebody who logged in on the page logs in again, whatever happens'),
  sessionIdleMinutes: z
    .number()
    .positive()
    .max(10_080)
    .default(30)
    .describe('min without a change or a page opened after which an operator or engineer is logged out'),
  requestsPerMinute: z
    .number()
    .int()
    .min(60)
    .max(1_000_000)
    .default(6_000)
    .describe('requests a minute that one token, or one address without a token, may send'),
  maxBodyMb: z.number().positive().max(1_000).default(20).describe('largest upload, MB'),
});

export const remoteSchema = z.strictObject({
  url: z
    .string()
    .regex(/^https?:\/\/[^\s?#]+$/, 'url must look like http://host:8000 or https://host:8000')
    .describe('where the server speaks HTTP; what stands before /v2 of the protocol'),
  model: z.string().min(1).max(200).describe('name of the model on the server'),
  version: z
    .string()
    .min(1)
    .max(100)
    .optional()
    .describe('version of the model; default: the one that the server takes, for as long as it keeps to it'),
  timeoutMs: milliseconds(10, 60_000)
    .default(500)
    .describe('ms that the server has for an answer; then the picture is judged here'),
  tokenFile: z
    .string()
    .min(1)
    .optional()
    .describe('file that holds a token, sent as Bearer; read again whenever the server is looked at anew'),
  token: z
    .string()
    .optional()
    .meta({ secret: true })
    .describe('only from the environment: QC_MODEL__REMOTE__TOKEN'),
  ca: z.string().min(1).optional().describe('PEM file of the authority that signed the server certificate'),
  tensors: z
    .enum(['auto', 'binary', 'json'])
    .default('auto')
    .describe('how tensors travel; auto: as binary data where the server understands it'),
  parallel: z.number().int().min(1).max(16).default(2).describe('requests on their way at a time'),
});

export const modelSchema = z.strictObject({
  base: z
    .string()
    .min(1)
    .default('resnet50-embedded')
    .describe('an embedded or pulled base by name, or a path to an .onnx with its manifest beside it'),
  provider: z
    .enum(['auto', 'tensorrt', 'cuda', 'webgpu', 'cpu', 'remote'])
    .default('auto')
    .describe(
      'auto takes the first of TensorRT, CUDA, WebGPU, CPU that passes its warm-up check; remote: the server under remote, and what auto takes while that fails',
    ),
  remote: remoteSchema
    .optional()
    .describe('an inference server that runs the base (Open Inference Protocol); needs provider: remote'),
  precision: z
    .enum(['auto', 'fp32', 'fp16', 'int8'])
    .default('auto')
    .describe(
      'which variant of the base; auto takes the fastest that passed its gate (qc-agent models quantize)',
    ),
  threads: z
    .number()
    .int()
    .min(0)
    .max(256)
    .default(0)
    .describe(
      'CPU threads for inference; 0 = one a core. A picture that comes alone has them all; where many come, each takes one',
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
          'most pictures in one run; 0 = what suits: 1 on the CPU and TensorRT, 8 on CUDA and WebGPU, 4 on a server that takes several. More than 1 needs a base whose batch is free',
        ),
      waitMs: z
        .number()
        .int()
        .min(0)
        .max(1_000)
        .default(2)
        .describe(
          'longest that a picture waits for others while the model is free, ms; no effect with size 1',
        ),
    })
    .prefault({})
    .describe('pictures of all cameras that go through the base together'),
  gpu: z
    .strictObject({
      deviceId: z
        .number()
        .int()
        .min(0)
        .max(63)
        .default(0)
        .describe('which of several NVIDIA GPUs, for CUDA and TensorRT; nvidia-smi counts them'),
    })
    .prefault({})
    .describe('where inference runs on a GPU (docs/gpu.md)'),
  profile: z
    .string()
    .min(1)
    .optional()
    .describe(
      'folder for a profile of the first 500 runs of the base, node by node, to find out what takes the time',
    ),
});

export const stationSchema = name().describe(
  'name of this station: letters, digits, - and _; part of topics and results',
);

export const storageSchema = z.strictObject({
  directory: z
    .string()
    .min(1)
    .default('./data')
    .describe('everything the agent writes; relative to this file'),
  outboxMb: z
    .number()
    .int()
    .min(10)
    .max(100_000)
    .default(200)
    .describe('disk for messages that wait to be delivered, MB; the oldest go first'),
  outboxHours: z
    .number()
    .int()
    .min(1)
    .max(10_000)
    .default(168)
    .describe('messages that have waited longer are thrown away, h'),
  evidenceQuotaMb: z
    .number()
    .int()
    .min(0)
    .max(10_000_000)
    .default(2_000)
    .describe('disk for evidence images, MB; 0 = keep none'),
  auditMb: z
    .number()
    .int()
    .min(1)
    .max(100_000)
    .default(100)
    .describe('disk for the audit log, MB; when it is full, the oldest tenth goes'),
  evidencePassShare: fraction
    .default(0.01)
    .describe('share of passed parts whose image is kept as evidence too; of the others all are'),
  minFreeMb: z
    .number()
    .int()
    .min(0)
    .max(10_000_000)
    .default(500)
    .describe(
      'MB of the disk that evidence leaves free; with less it stops, and says so, until there is room',
    ),
});

export const trainingSchema = z.strictObject({
  views: z
    .enum(['auto', 'none', 'flips', 'turns'])
    .default('auto')
    .describe(
      'how parts may lie: none = only as they are, flips = also mirrored, turns = also turned by quarters; auto = what proves best',
    ),
  augment: z
    .array(z.enum(['light', 'blur', 'crop', 'rotate']))
    .default([])
    .describe(
      'what else may change from part to part: light = a quarter darker or lighter, blur = a little out of focus, crop = off the middle, rotate = by 4 degrees',
    ),
  hidden: z
    .number()
    .int()
    .min(0)
    .max(1_024)
    .default(0)
    .describe('units of a hidden layer; 0 = a linear head, which needs fewest labels'),
  escapeRate: fraction.gt(0).lt(1).default(0.05).describe('share of bad parts that may pass'),
  falseRejectRate: fraction
    .gt(0)
    .lt(1)
    .default(0.05)
    .describe('share of good parts that may fail for any one defect'),
  costs: z
    .strictObject({
      escape: z.number().positive().describe('what a bad part costs that passes'),
      falseReject: z.number().positive().describe('what a good part costs that fails'),
      check: z.number().positive().describe('what it costs to look at an uncertain part by hand'),
      inspection: z
        .number()
        .min(0)
        .default(0)
        .describe('what it costs to inspect one part: machine, power, service; only for the metrics'),
    })
    .optional()
    .describe(
      'limits from costs, in any one unit, instead of from the two rates; also for cost per part in the metrics',
    ),
  quantize: z
    .boolean()
    .default(true)
    .describe(
      'after a training that was accepted, also make an int8 variant of the base, at the lowest priority, where none has passed',
    ),
});

const recipeSchema = z.strictObject({
  description: z.string().max(200).optional().describe('what it is for, shown where recipes are chosen'),
  cameras: z
    .record(
      name('camera name: '),
      z.strictObject({ region: regionSchema.describe('what is inspected instead of cameras.NAME.region') }),
    )
    .default({})
    .describe('cameras that inspect another region for this product; the others keep theirs'),
  head: z
    .string()
    .min(1)
    .optional()
    .describe('version that judges this product (qc-agent models list); default: the active one'),
  thresholds: z
    .strictObject({
      pass: fraction.min(0.5).optional().describe('instead of the pass threshold of the head'),
      fail: fraction.gt(0).optional().describe('instead of all fail thresholds of the head'),
      failByLabel: z
        .record(labelName, fraction.gt(0))
        .optional()
        .describe('fail thresholds of single labels'),
    })
    .prefault({})
    .describe('stricter or looser for this product'),
});

export const configSchema = z.strictObject({
  station: stationSchema,
  cameras: z
    .record(name('camera name: '), cameraSchema)
    .refine((c) => Object.keys(c).length > 0, 'at least one camera is needed')
    .describe('one or many, by name'),
  mqtt: mqttSchema.prefault({}).describe('where verdicts go and commands come from'),
  http: httpSchema.prefault({}).describe('page, API, metrics and health'),
  model: modelSchema.prefault({}).describe('what judges'),
  labels: z
    .strictObject({
      good: z
        .array(labelName)
        .min(1)
        .refine(areDistinct, 'two of the labels differ only in upper and lower case: use one of them')
        .default(['good'])
        .describe('labels that mean a good part; every other label is a defect'),
    })
    .prefault({})
    .describe('what the labels mean'),
  thresholds: z
    .strictObject({
      pass: fraction.min(0.5).default(0.7).describe('probability of good from which a part passes'),
      fail: fraction
        .gt(0)
        .default(0.6)
        .describe('probability of one defect from which a part fails; what is neither is uncertain'),
    })
    .prefault({})
    .describe('used where the head brings none of its own'),
  recipes: z
    .record(name('recipe name: '), recipeSchema)
    .default({})
    .describe('products by name, chosen by the command recipe; "default" is what the rest of this file says'),
  training: trainingSchema.prefault({}).describe('how heads are trained, and what their limits promise'),
  storage: storageSchema.prefault({}).describe('what the agent keeps on disk'),
  log: z
    .strictObject({
      level: z
        .enum(['debug', 'info', 'warn', 'error'])
        .default('info')
        .describe('least severity that is logged'),
      format: z
        .enum(['auto', 'json', 'text'])
        .default('auto')
        .describe('auto: text on a terminal, json elsewhere'),
    })
    .prefault({})
    .describe('what is written to standard error'),
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
