/** What crosses the wire, a schema first. Version 1; a field is never renamed or removed, only added. */
import { z } from 'zod';

const schema = z.literal(1).describe('version of this message');
const timestamp = z.iso.datetime({ precision: 3 }).describe('UTC, ms');

export const verdictValue = z.enum(['pass', 'fail', 'uncertain']);
/** OPC 40100-1 result evaluation: 1 OK, 2 NOT_OK, 0 UNDEFINED. Nothing is ever passed by default. */
export const evaluationValue = z.union([z.literal(0), z.literal(1), z.literal(2)]);

const ms = z.number().min(0);
/** Stages of a part in the order in which they follow each other; those that are optional came later. */
const stages = {
  capture: ms.optional().describe('from the shutter to the decoder: the camera and the network'),
  decode: ms.describe('decoding, cutting, scaling and converting the first picture'),
  handover: ms.optional().describe('from the decoding process to the agent'),
  collect: ms
    .optional()
    .describe('waiting for the other pictures of the part, or for its trigger to be sure'),
  queue: ms.describe('waiting for the model to be free'),
  prepare: ms.optional().describe('pixels to input tensor, of the whole run'),
  base: ms.optional().describe('the base, of the whole run'),
  head: ms.optional().describe('heads, of the whole run'),
  answer: ms.optional().describe('from the thread of the model back to the main loop'),
  decide: ms.optional().describe('vote and thresholds'),
  order: ms.optional().describe('waiting until the part before it is stored: results keep their order'),
} as const;
const timings = z
  .strictObject({
    ...stages,
    inference: ms.describe('prepare, base and head together'),
    total: ms.describe('capture to verdict: the sum of all stages'),
  })
  .describe('stages of the part, one after the other; an earlier version told only some');
export const stageNames = Object.keys(stages) as readonly (keyof typeof stages)[];

const fraction = z.number().min(0).max(1);
const region = { x: fraction, y: fraction, width: fraction, height: fraction };
/** Maximum number of boxes of a result. */
const maxPlaces = 5;
export const where = z
  .array(
    z.strictObject({
      ...region,
      score: z.number().describe('peak, in standard deviations of ordinary places'),
      label: z.string().nullable().describe('the defect; null if the place only differs from good parts'),
    }),
  )
  .max(maxPlaces)
  .describe(
    'location of the defect on the last judged frame, in fractions of the frame, origin at the top left, in descending order of the score; empty for a pass, and if the model cannot locate defects',
  );

export const resultMessage = z
  .strictObject({
    schema,
    resultId: z.ulid(),
    jobId: z.string().describe('the job a command was answered with, or one made here'),
    partId: z.string(),
    station: z.string(),
    camera: z.string(),
    recipe: z.string(),
    sequence: z.number().int().positive().describe('counts up by one per camera, also across restarts'),
    state: z.enum(['completed', 'aborted', 'failed']).describe('about the processing, not the part'),
    verdict: verdictValue,
    evaluation: evaluationValue,
    label: z.string().nullable().describe('most probable label; null without a judgement'),
    probability: z.number().min(0).max(1).nullable(),
    probabilities: z.record(z.string(), z.number()),
    reasons: z.array(z.string()),
    where: where.optional(),
    region: z
      .strictObject(region)
      .optional()
      .describe('the part of the frame that was judged and that the evidence shows; absent: the whole frame'),
    votes: z.strictObject({ frames: z.number().int(), agree: z.number().int() }),
    model: z.strictObject({
      version: z.string(),
      base: z.string(),
      precision: z.string(),
      provider: z.string(),
    }),
    capturedAt: timestamp,
    publishedAt: timestamp,
    timingsMs: timings,
    simulated: z.boolean(),
    calibration: z.boolean(),
    historical: z.boolean().describe('true when it waited for the broker'),
    evidence: z.string().nullable().describe('path of the judged image on this agent, while it is kept'),
  })
  .describe('one message for one part');

export const verdictMessage = z
  .strictObject({
    schema,
    sequence: z.number().int().positive(),
    partId: z.string(),
    verdict: verdictValue,
    evaluation: evaluationValue,
    jobId: z.string().optional().describe('the job that its trigger was answered with'),
    historical: z
      .literal(true)
      .optional()
      .describe('present when it waited for the broker: the part has long gone, do not act on it'),
  })
  .describe('the small one for a PLC');

export const stationState = z.enum(['starting', 'inspecting', 'calibrating', 'degraded', 'stopping']);

export const statusMessage = z
  .strictObject({
    schema,
    online: z.literal(true),
    state: stationState,
    reasons: z.array(z.string()),
    version: z.string(),
    model: z.string(),
    recipe: z.string().optional().describe('the recipe in force'),
    cameras: z.record(z.string(), z.enum(['up', 'down'])),
    since: timestamp.describe('when this state began'),
  })
  .describe('retained');

export const willMessage = z
  .strictObject({ schema, online: z.literal(false), reason: z.string() })
  .describe('retained; the broker sends it when the connection is lost, the agent when it stops');

const handshakeState = z
  .enum(['not-ready', 'ready', 'acquiring', 'busy'])
  .describe(
    'ready: a trigger is accepted; acquiring: the part must stay where it is; busy: every place is taken',
  );
const jobState = z
  .enum(['requested', 'acquiring', 'judging', 'result-ready'])
  .describe('judging: all pictures are taken, the part may move; result-ready: waits to be acknowledged');

export const handshakeMessage = z
  .strictObject({
    schema,
    camera: z.string(),
    session: z.ulid().describe('another one with every start of the agent'),
    state: handshakeState,
    reason: z.string().describe('why a trigger would be refused; empty while ready'),
    recipe: z.string().describe('the recipe in force'),
    jobs: z
      .array(
        z.strictObject({
          jobId: z.string(),
          partId: z.string(),
          recipe: z.string(),
          state: jobState,
          since: timestamp,
          result: resultMessage
            .pick({ resultId: true, sequence: true, state: true, verdict: true, evaluation: true })
            .optional(),
        }),
      )
      .describe('oldest first'),
    gone: z
      .array(z.string())
      .describe('jobs that an earlier session left without a known result: their parts are not good'),
    unacknowledged: z.number().int().describe('results of this session that nobody acknowledged in time'),
  })
  .describe('retained, one for each camera with trigger: command; see also status, which has the last will');

const issuedAt = z.iso.datetime({ offset: true }).optional().describe('refused as stale when too old');
const id = z.string().min(1).max(128);
const requestId = id.optional().describe('repeated in the reply');
export const commandMessages = {
  trigger: z.strictObject({
    camera: id,
    partId: id.optional(),
    recipe: id.optional(),
    requestId: id
      .optional()
      .describe(
        'repeated in the reply, and makes it safe to send the trigger again: the same one gets the same job, not another part',
      ),
    issuedAt,
  }),
  acknowledge: z.strictObject({ camera: id, jobId: id, requestId, issuedAt }),
  abort: z.strictObject({
    camera: id,
    jobId: id.optional().describe('default: every job'),
    requestId,
    issuedAt,
  }),
  mode: z.strictObject({ mode: z.enum(['inspection', 'calibration']), requestId, issuedAt }),
  label: z.strictObject({ resultId: z.ulid(), label: id, requestId, issuedAt }),
  recipe: z.strictObject({ recipe: id, requestId, issuedAt }),
  model: z.strictObject({
    action: z.enum(['promote', 'rollback']),
    version: id.optional(),
    requestId,
    issuedAt,
  }),
} as const;

export const replyMessage = z
  .strictObject({
    schema,
    ok: z.boolean(),
    camera: z.string().optional().describe('as in the command, also where it is refused'),
    partId: z.string().optional().describe('as in the command, also where it is refused'),
    requestId: z.string().optional().describe('as in the command, also where it is refused'),
    jobId: z.string().optional(),
    repeated: z.literal(true).optional().describe('the trigger had come before: this is the job of then'),
    error: z.strictObject({ code: z.string(), message: z.string() }).optional(),
  })
  .describe('answer to a command');

export type Result = z.output<typeof resultMessage>;
/** All stages, as they are told now. */
export type Timings = Record<keyof Result['timingsMs'], number>;
export type VerdictMessage = z.output<typeof verdictMessage>;
export type Status = z.output<typeof statusMessage>;
export type StationState = z.output<typeof stationState>;
export type Handshake = z.output<typeof handshakeMessage>;
export type Will = z.output<typeof willMessage>;
export type Reply = z.output<typeof replyMessage>;
export type CommandName = keyof typeof commandMessages;
export type Commands = { [Name in CommandName]: z.output<(typeof commandMessages)[Name]> };
