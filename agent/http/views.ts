/** Schemas of the HTTP interface and its events, with their types. The pages import these types. */
import { z } from 'zod';
import { whereMapView } from '../evidence/where-view.ts';
import { resultMessage, statusMessage, where } from '../publish/messages.ts';
import { roles } from './roles.ts';

const fraction = z.number().min(0).max(1);
const count = z.number().int().min(0);

const cameraView = z.object({
  name: z.string(),
  up: z.boolean(),
  reason: z.string().describe('why it is down, empty while up'),
  region: z.object({ x: fraction, y: fraction, width: fraction, height: fraction }),
  trigger: z.enum(['continuous', 'presence', 'command']),
  newestAt: z.number().nullable().describe('when the newest frame was captured, ms since the epoch'),
  simulated: z.boolean(),
});
export type CameraView = z.output<typeof cameraView>;

export const counts = z.object({
  pass: count,
  fail: count,
  uncertain: count,
  judged: count.describe('parts judged by a trained model; the defect rate is fail divided by this'),
  judgedSince: z
    .string()
    .nullable()
    .describe('when the first of these was captured, ISO 8601 UTC; null before the first'),
});
/** Parts by verdict since the agent started. */
export type Counts = z.output<typeof counts>;

export const cameraWithCounts = cameraView.extend({ counts });
export type CameraWithCounts = z.output<typeof cameraWithCounts>;

export const userView = z.object({
  name: z.string().describe('holder of the token; local if no tokens are configured'),
  role: z.enum(roles),
  tokens: z.boolean().describe('whether tokens are configured at all'),
  session: z.boolean().describe('whether the request belongs to a page log-in, which can be ended'),
});
export type UserView = z.output<typeof userView>;

export const evidencePage = z.object({
  items: z
    .array(resultMessage)
    .describe('may be fewer than the limit, or empty, although there is a next page'),
  next: z.string().nullable().describe('start of the next page; null if there is none'),
});
export type EvidencePage = z.output<typeof evidencePage>;

export const placesView = z.object({
  where: where,
  region: resultMessage.shape.region,
  map: whereMapView.nullable().describe('null if the model cannot locate defects'),
});
export type PlacesView = z.output<typeof placesView>;

/** Event `station`: sent every second. */
const stationEvent = z.object({
  station: z.string(),
  at: z.number().describe('clock of the agent, ms since the epoch: the clock of the browser may be wrong'),
  status: statusMessage,
  cameras: z.array(cameraWithCounts),
});
export type StationEvent = z.output<typeof stationEvent>;

/** Event `answer`: sent for each part that someone labels or skips. */
const answerEvent = z.object({
  resultId: z.string(),
  label: z.string().nullable().describe('null: skipped'),
  by: z.string(),
  isOwn: z.boolean().describe('whether it was answered in this browser'),
});
export type AnswerEvent = z.output<typeof answerEvent>;
