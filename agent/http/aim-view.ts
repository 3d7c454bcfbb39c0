/** Records of the stream for aiming a camera. The page imports their types. */
import { z } from 'zod';
import { regionSchema } from '../../config/camera-schema.ts';

const share = z.number().min(0).max(1);
const pixels = z.number().int().min(1);
const at = z.number().describe('clock of the agent, ms since the epoch');

const imageRecord = z.object({
  kind: z.literal('image').describe('a JPEG of the whole camera image follows the record'),
  at,
  width: pixels.describe('of the JPEG'),
  height: pixels,
  frame: z.object({ width: pixels, height: pixels }).describe('size of the camera image'),
  region: regionSchema.describe('where focus, dark, bright and histogram were measured'),
  focus: z.number().describe('sharpness without a unit: compare it only with values of the same scene'),
  dark: share.describe('share of pixels that are too dark to show detail'),
  bright: share.describe('share of pixels that are too bright to show detail'),
  histogram: z.array(share).readonly().describe('share of pixels in 32 equal steps of brightness'),
});

const lookRecord = z.object({
  kind: z.literal('look').describe('what the trigger presence sees in one frame'),
  at,
  state: z
    .enum(['learning', 'dark', 'empty', 'part'])
    .describe('learning: the empty background is not known yet; dark: the light is off'),
  share: share.nullable().describe('share of the region that differs from the empty background'),
  enter: share,
  leave: share,
  confirmed: z.boolean().describe('whether the background is confirmed as the empty region'),
  mask: z
    .object({ width: pixels, height: pixels, bits: z.base64() })
    .nullable()
    .describe('pixels that differ, row by row over the region, 8 in a byte, the highest bit first'),
});

const partRecord = z.object({
  kind: z.literal('part').describe('the trigger found a part'),
  at,
  partId: z.string(),
});

const stateRecord = z.object({
  kind: z.literal('state').describe('sent first, and then every second'),
  at,
  up: z.boolean(),
  problem: z
    .string()
    .describe('why there is no image, or why parts are not judged; empty if nothing is wrong'),
  trigger: z.enum(['continuous', 'presence', 'command']),
  region: regionSchema.describe('the region that is inspected now'),
  regionSetting: z.string().describe('the setting that contains it, as cameras.top.region'),
  viewers: z.number().int().describe('clients that receive this stream'),
  dropped: z.number().int().describe('images that this client did not receive because it reads too slowly'),
});

export const aimRecord = z.discriminatedUnion('kind', [imageRecord, lookRecord, partRecord, stateRecord]);
export type AimRecord = z.output<typeof aimRecord>;
export type AimImageRecord = z.output<typeof imageRecord>;
export type AimLookRecord = z.output<typeof lookRecord>;
export type AimStateRecord = z.output<typeof stateRecord>;
