/** Requests and answers about the settings. */
import { z } from 'zod';

const path = z.array(z.string().min(1).max(300)).min(1).max(8).describe('keys from the top of the file');
const hash = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .describe('sha256 of the file that the change is based on');

export const settingsView = z.object({
  file: z.string(),
  hash,
  values: z
    .record(z.string(), z.unknown())
    .describe('the settings of the file with their defaults, overridden by the environment, without secrets'),
  environment: z
    .record(z.string(), z.string())
    .describe(
      'keys that variables of the environment decide, with their variables: they cannot be changed here',
    ),
  live: z.array(z.string()).describe('keys that take effect without a restart; * is any name'),
  pending: z.array(z.string()).describe('keys whose new values need a restart'),
  fault: z.string().describe('why the file is not valid; empty if it is'),
});
export type SettingsView = z.output<typeof settingsView>;

export const settingsRequest = z.strictObject({
  hash,
  changes: z
    .array(
      z.strictObject({
        path,
        value: z.unknown().describe('null removes the key, so that its default applies'),
      }),
    )
    .max(100)
    .default([]),
  secrets: z
    .array(
      z.strictObject({
        path: path.describe('the key that names the file, such as cameras, top, passwordFile'),
        value: z.string().min(1).max(1_000).describe('the secret, on one line'),
      }),
    )
    .max(20)
    .default([])
    .describe('each is stored in its own file with mode 600, whose path the key gets'),
});
export type SettingsRequest = z.output<typeof settingsRequest>;

const settingsChange = z.object({
  key: z.string(),
  before: z.unknown().describe('absent if the key had no value'),
  after: z.unknown(),
  applies: z.enum(['now', 'restart']).describe('when the new value takes effect'),
});

export const settingsAnswer = z.object({
  ok: z.boolean().describe('whether the settings are valid'),
  hash: hash.describe('sha256 of the file after the change'),
  changes: z.array(settingsChange),
  problems: z.array(z.object({ key: z.string(), what: z.string(), remedy: z.string() })),
  warnings: z.array(z.string()),
  pending: z.array(z.string()).describe('keys whose new values need a restart'),
  copy: z.string().nullable().describe('name of the copy of the previous file; null if nothing was written'),
});
export type SettingsAnswer = z.output<typeof settingsAnswer>;
