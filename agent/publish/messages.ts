/** Schemas of all messages. Version 1; fields are added, but never renamed or removed. */
import { z } from 'zod';

const schema = z.literal(1).describe('version of this message');
const timestamp = z.iso.datetime({ precision: 3 }).describe('UTC, ms');

export const verdictValue = z.enum(['pass', 'fail', 'uncertain']);
/** OPC 40100-1 result evaluation: 1 OK, 2 NOT_OK, 0 UNDEFINED. Never 1 by default. */
export const evaluationValue = z.union([z.literal(0), z.literal(1), z.literal(2)]);

const ms = z.number().min(0);
/** Stages of a part in their order; optional ones were added later. */
const stages = {
  capture: ms.optional().describe('from the shutter to the decoder: the camera and the network'),
  decode: ms.describe('decoding, cutting, scaling and converting the first image'),
  handover: ms.optional().describe('from the decoding process to the agent'),
  collect: ms
    .optional()
    .describe('waiting for the other images of the part, or until its trigger is certain'),
  queue: ms.describe('waiting for the model to be free'),
  prepare: ms.optional().describe('pixels to input tensor, for the whole run'),
  base: ms.optional().describe('the base network, for the whole run'),
  head: ms.optional().describe('heads, for the whole run'),
  answer: ms.optional().describe('from the model thread back to the main loop'),
  decide: ms.optional().describe('vote and thresholds'),
  order: ms.optional().describe('waiting until the previous part is stored: results keep their order'),
} as const;
const timings = z
  .strictObject({
    ...stages,
    inference: ms.describe('prepare, base and head together'),
    total: ms.describe('capture to verdict: the sum of all stages'),
  })
  .describe('stages of the part, in order; earlier versions reported only some');
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

/** What is known about a part of a challenge test. */
export const challengePart = z.enum(['good', 'bad']);

const challengeMark = z
  .strictObject({
    part: challengePart.describe('what is known about the part'),
    judged: verdictValue.describe('the verdict before a part known to be bad was withheld from passing'),
    outcome: z
      .enum(['right', 'wrong', 'not-counted'])
      .describe('not-counted: the part was not judged, or its image was in doubt; it is asked for again'),
  })
  .describe('present if the part belongs to a challenge test: do not count it as production');

export const resultMessage = z
  .strictObject({
    schema,
    resultId: z.ulid(),
    jobId: z.string().describe('the job id from the reply to the trigger, or a new one'),
    partId: z.string(),
    station: z.string(),
    camera: z.string(),
    recipe: z.string(),
    sequence: z
      .number()
      .int()
      .positive()
      .describe('increases by one for each part of a camera, also across restarts'),
    state: z.enum(['completed', 'aborted', 'failed']).describe('of the processing, not of the part'),
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
    historical: z.boolean().describe('true if it was delayed because the broker was unavailable'),
    evidence: z.string().nullable().describe('path of the judged image on this agent, as long as it is kept'),
    challenge: challengeMark.optional(),
  })
  .describe('result of one part');

export const verdictMessage = z
  .strictObject({
    schema,
    sequence: z.number().int().positive(),
    partId: z.string(),
    verdict: verdictValue,
    evaluation: evaluationValue,
    jobId: z.string().optional().describe('the job id from the reply to the trigger'),
    historical: z
      .literal(true)
      .optional()
      .describe(
        'present if it was delayed because the broker was unavailable: the part has left, do not act on it',
      ),
    challenge: challengePart
      .optional()
      .describe('present if the part belongs to a challenge test, with what is known about it'),
  })
  .describe('short result for a PLC');

export const stationState = z.enum(['starting', 'inspecting', 'calibrating', 'degraded', 'stopping']);

export const challengeState = z
  .enum(['none', 'due', 'running', 'passed', 'overdue', 'failed'])
  .describe('none: not due and never run; overdue and failed: the station is degraded until a test succeeds');

export const challengeView = z
  .strictObject({
    state: challengeState,
    reason: z.string().describe('why it failed or is overdue; empty otherwise'),
    deadline: timestamp.optional().describe('until when the due or running test must have succeeded'),
    passedAt: timestamp.optional().describe('when all tested cameras had passed last'),
    expected: z
      .strictObject({
        camera: z.string(),
        recipe: z.string(),
        part: challengePart,
        step: z.number().int().positive(),
        steps: z.number().int().positive(),
        waitsForPlaced: z
          .boolean()
          .describe('true: the camera judges continuously, report when the part is in place'),
        remark: z.string().describe('why the previous part did not count; empty if there is nothing to say'),
      })
      .optional()
      .describe('the part that must come next; present while a test is running'),
  })
  .describe('state of the challenge test');

export const statusMessage = z
  .strictObject({
    schema,
    online: z.literal(true),
    state: stationState,
    reasons: z.array(z.string()),
    version: z.string(),
    model: z.string(),
    recipe: z.string().optional().describe('the active recipe'),
    cameras: z.record(z.string(), z.enum(['up', 'down'])),
    since: timestamp.describe('when this state began'),
    challenge: challengeView
      .optional()
      .describe('absent if no challenge test is scheduled and none was ever started'),
  })
  .describe('retained');

export const willMessage = z
  .strictObject({ schema, online: z.literal(false), reason: z.string() })
  .describe('retained; the broker sends it when the connection is lost, the agent when it stops');

const handshakeState = z
  .enum(['not-ready', 'ready', 'acquiring', 'busy'])
  .describe(
    'ready: a trigger is accepted; acquiring: the part must not move; busy: no more jobs are accepted',
  );
const jobState = z
  .enum(['requested', 'acquiring', 'judging', 'result-ready'])
  .describe('judging: all images are taken, the part may move; result-ready: waits for acknowledgement');

export const handshakeMessage = z
  .strictObject({
    schema,
    camera: z.string(),
    session: z.ulid().describe('new for each start of the agent'),
    state: handshakeState,
    reason: z.string().describe('why a trigger is refused; empty while ready'),
    recipe: z.string().describe('the active recipe'),
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
      .describe('jobs of an earlier session without a known result: do not treat their parts as good'),
    unacknowledged: z.number().int().describe('results of this session that were not acknowledged in time'),
  })
  .describe('retained, one for each camera with trigger: command; see also status, which has the last will');

const issuedAt = z.iso
  .datetime({ offset: true })
  .optional()
  .describe('the command is refused as stale if this is too old');
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
        'repeated in the reply; makes it safe to send the trigger again: the same requestId gets the same job, not a new part',
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
  challenge: z.strictObject({
    action: z
      .enum(['start', 'placed', 'cancel'])
      .describe('placed: the part is in place (needed for cameras with trigger: continuous)'),
    camera: id.optional().describe('start: test this camera only; default: all tested cameras'),
    requestId,
    issuedAt,
  }),
} as const;

export const replyMessage = z
  .strictObject({
    schema,
    ok: z.boolean(),
    camera: z.string().optional().describe('as in the command, also if it is refused'),
    partId: z.string().optional().describe('as in the command, also if it is refused'),
    requestId: z.string().optional().describe('as in the command, also if it is refused'),
    jobId: z.string().optional(),
    repeated: z
      .literal(true)
      .optional()
      .describe('the trigger was received before: this is the job of the first time'),
    error: z.strictObject({ code: z.string(), message: z.string() }).optional(),
  })
  .describe('reply to a command');

export type Result = z.output<typeof resultMessage>;
/** All stages of the current version. */
export type Timings = Record<keyof Result['timingsMs'], number>;
export type VerdictMessage = z.output<typeof verdictMessage>;
export type Status = z.output<typeof statusMessage>;
export type StationState = z.output<typeof stationState>;
export type ChallengeMark = z.output<typeof challengeMark>;
export type ChallengePart = z.output<typeof challengePart>;
export type ChallengeView = z.output<typeof challengeView>;
export type Handshake = z.output<typeof handshakeMessage>;
export type Will = z.output<typeof willMessage>;
export type Reply = z.output<typeof replyMessage>;
export type CommandName = keyof typeof commandMessages;
export type Commands = { [Name in CommandName]: z.output<(typeof commandMessages)[Name]> };
