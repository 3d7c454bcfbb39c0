/** Settings of a camera: source, region and trigger. */
import { z } from 'zod';
import { fraction, milliseconds } from './schema-parts.ts';

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
  kind: z.literal('continuous').describe('a part at a fixed interval, regardless of the image'),
  everyMs: milliseconds(1, 3_600_000).default(200).describe('ms between two parts'),
});

const presenceSchema = z
  .strictObject({
    kind: z
      .literal('presence')
      .describe('a part is whatever enters the region; it is judged once, from its best frames'),
    enter: fraction
      .gt(0)
      .default(0.06)
      .describe('share of the region that must differ from the empty background for a part to be present'),
    leave: fraction.default(0.03).describe('share below which the part has left; must be less than enter'),
    relearnAfterMs: milliseconds(0, 86_400_000)
      .default(600_000)
      .describe(
        'ms a part may stay in view before the image becomes the new empty background, until the previous background is seen again; 0 = never',
      ),
  })
  .refine((t) => t.leave < t.enter, {
    path: ['leave'],
    message: 'leave must be smaller than enter; otherwise a part on the edge would be judged twice',
  });

const commandSchema = z.strictObject({
  kind: z.literal('command').describe('a part for each command of a PLC, over MQTT or HTTP'),
  timeoutMs: milliseconds(10, 60_000)
    .default(1_000)
    .describe('ms to wait for a frame captured after the trigger; then the job is refused'),
  resultMs: milliseconds(100, 600_000)
    .default(10_000)
    .describe('ms from the trigger to its result; after that the result is failed'),
  acknowledgeMs: milliseconds(0, 3_600_000)
    .default(0)
    .describe(
      'ms the PLC has to acknowledge a result before its slot is freed; 0 = no acknowledgement needed',
    ),
  jobs: z
    .number()
    .int()
    .min(1)
    .max(16)
    .default(4)
    .describe('maximum number of unfinished jobs; further triggers are refused as busy'),
  repeatMs: milliseconds(0, 600_000)
    .default(10_000)
    .describe('ms in which a repeated trigger (same requestId) gets the same job; 0 = off'),
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
      'rtsp://user@host/path, or file:FOLDER to use images instead of a camera; never put the password here',
    ),
  passwordFile: z.string().min(1).optional().describe('file that contains the camera password'),
  password: z
    .string()
    .optional()
    .meta({ secret: true })
    .describe('from the environment only: QC_CAMERAS__<NAME>__PASSWORD'),
  transport: z
    .enum(['tcp', 'udp'])
    .default('tcp')
    .describe('transport of RTP: tcp (inside the RTSP connection) or udp'),
  decoder: z
    .enum(['node-av', 'ffmpeg'])
    .default('node-av')
    .describe('node-av: bundled FFmpeg; ffmpeg: the ffmpeg command of this machine'),
  hardware: z
    .enum(['none', 'cuda', 'jetson'])
    .default('none')
    .describe('hardware decoding; falls back to software with a warning if it is not available'),
  region: regionSchema.prefault({}).describe('region of the image that is inspected'),
  shorterSide: z
    .number()
    .int()
    .min(224)
    .max(2_160)
    .default(320)
    .describe(
      'pixels: a region with a longer shorter side is scaled down to this; more for a base with a larger input (models compare --sizes), which costs decoding time',
    ),
  trigger: triggerSchema.prefault({ kind: 'continuous' }).describe('what makes a part'),
  vote: z
    .strictObject({
      frames: z.number().int().min(1).max(25).default(1).describe('frames judged for one part'),
    })
    .prefault({})
    .describe('number of frames that vote on one part'),
  maxWaitMs: milliseconds(100, 600_000)
    .default(5_000)
    .describe(
      'ms a part may wait to be judged; after that its result is failed, so that later parts are judged in time',
    ),
  maxFps: z
    .number()
    .positive()
    .max(240)
    .optional()
    .describe('frames per second delivered by the decoder; default: what the trigger needs'),
  clock: z
    .enum(['arrival', 'camera'])
    .default('arrival')
    .describe(
      'capture time: arrival (smoothed by the stream time) or the camera clock (RTCP sender reports; needs NTP on the camera)',
    ),
  maxAgeMs: milliseconds(100, 600_000)
    .default(2_000)
    .describe(
      'maximum age of an image on arrival, ms; an older image cannot make a part pass, and a camera that only sends older images is not ready',
    ),
  latencyMs: milliseconds(0, 10_000)
    .default(0)
    .describe(
      'known delay from shutter to arrival, ms, subtracted with clock: arrival (measure it with qc-agent latency); must be less than maxAgeMs',
    ),
  stallMs: milliseconds(200, 600_000)
    .default(5_000)
    .describe('ms without a frame after which the stream is reopened as stalled'),
  damageMs: milliseconds(500, 600_000)
    .default(5_000)
    .describe(
      'ms to wait for a key frame after damage (lost packets) before the stream is reopened; damaged frames are never judged',
    ),
  freezeMs: milliseconds(0, 3_600_000)
    .default(10_000)
    .describe('ms of identical frames after which the stream is reopened as frozen; 0 = off'),
  simulated: z
    .boolean()
    .default(false)
    .describe('mark results as simulated (test lines; always true for file:)'),
});
