/**
 * All settings with type, default, unit and description; large sections have their own files (`*-schema.ts`). Types, JSON
 * Schema and reference are derived from them.
 */
import { z } from 'zod';
import { cameraSchema, regionSchema, type triggerSchema } from './camera-schema.ts';
import { challengeSchema } from './challenge-schema.ts';
import { httpSchema } from './http-schema.ts';
import { modelSchema, type remoteSchema } from './model-schema.ts';
import { mqttSchema } from './mqtt-schema.ts';
import { areDistinct, fraction, labelName, name } from './schema-parts.ts';
import { shiftsSchema } from './shifts-schema.ts';
import { trainingSchema } from './training-schema.ts';

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
    .describe('maximum time that a message waits for delivery, h; then it is discarded'),
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
  statisticsDays: z
    .number()
    .int()
    .min(1)
    .max(4_000)
    .default(400)
    .describe('days for which the counts of the line page are kept: by minute for 14 days, then by hour'),
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
  model: modelSchema.prefault({}).describe('the model'),
  labels: z
    .strictObject({
      good: z
        .array(labelName)
        .min(1)
        .refine(areDistinct, 'two of the labels differ only in case: use one of them')
        .default(['good'])
        .describe('labels that mean a good part; every other label is a defect'),
      defects: z
        .array(labelName)
        .max(100)
        .refine(areDistinct, 'two of the labels differ only in case: use one of them')
        .optional()
        .describe(
          'labels of defects that are offered before a part has them; others can be added while labelling',
        ),
    })
    // One label, written in two ways, would be two labels.
    .refine(({ good, defects = [] }) => !areDistinct(good) || areDistinct([...good, ...defects]), {
      path: ['defects'],
      message: 'one of the labels is also in labels.good, or differs from one there only in case',
    })
    .prefault({})
    .describe('meaning of the labels'),
  thresholds: z
    .strictObject({
      pass: fraction.min(0.5).default(0.7).describe('minimum probability of good labels for a part to pass'),
      fail: fraction
        .gt(0)
        .default(0.6)
        .describe(
          'minimum probability of one defect for a part to fail; a part that neither passes nor fails is uncertain',
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
  shifts: shiftsSchema.prefault({}).describe('shifts, by which the line page groups its counts'),
  challenge: challengeSchema
    .prefault({})
    .describe('challenge test with parts known to be good and bad (docs/challenge.md)'),
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
export type ShiftsConfig = z.output<typeof shiftsSchema>;
export type RecipeConfig = z.output<typeof recipeSchema>;
export type StorageConfig = z.output<typeof storageSchema>;
export type TrainingConfig = z.output<typeof trainingSchema>;
export type ModelConfig = z.output<typeof modelSchema>;
export type ChallengeConfig = z.output<typeof challengeSchema>;
export type RemoteConfig = z.output<typeof remoteSchema>;
