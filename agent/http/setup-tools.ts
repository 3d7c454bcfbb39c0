/** What the guide for the set-up needs from the agent, with the schemas of its requests and answers. */
import { z } from 'zod';

export const setupView = z.object({
  mode: z
    .enum(['first', 'running'])
    .describe(
      'first: there is no configuration yet; finishing the guide writes it and starts the inspection',
    ),
  file: z.string().describe('the configuration file'),
});
export type SetupView = z.output<typeof setupView>;

const foundCamera = z.object({
  kind: z.enum(['onvif', 'folder', 'video', 'genicam']),
  name: z.string().describe('make and model, or the name of the folder or device'),
  address: z.string().describe('of its ONVIF service, the folder, or the device'),
  url: z.string().nullable().describe('for cameras.NAME.url; null if it is not known or cannot be read'),
  note: z.string().describe('what else is needed; empty if nothing is'),
});
export type FoundCamera = z.output<typeof foundCamera>;

export const searchAnswer = z.object({ cameras: z.array(foundCamera), notes: z.array(z.string()) });
export type SearchAnswer = z.output<typeof searchAnswer>;

export const streamsRequest = z.strictObject({
  address: z
    .url({ protocol: /^https?$/ })
    .max(500)
    .describe('address of the ONVIF service'),
  user: z.string().max(100).default(''),
  password: z.string().max(1_000).default(''),
});
export type StreamsRequest = z.output<typeof streamsRequest>;

export const cameraStream = z.object({
  name: z.string(),
  url: z.string().describe('address of the stream, with the user and without the password'),
  codec: z.string(),
  width: z.number(),
  height: z.number(),
});
export type CameraStream = z.output<typeof cameraStream>;

export const cameraRequest = z.strictObject({
  url: z.string().min(1).max(1_000).describe('as cameras.NAME.url; no password in it'),
  password: z.string().max(1_000).optional(),
  stored: z
    .string()
    .max(63)
    .optional()
    .describe('camera of the configuration whose stored password is used, if its address is the same'),
});
export type CameraRequest = z.output<typeof cameraRequest>;

export const brokerRequest = z.strictObject({
  url: z.string().min(1).max(500).describe('as mqtt.url'),
  username: z.string().max(200).optional(),
  password: z.string().max(1_000).optional(),
});
export type BrokerRequest = z.output<typeof brokerRequest>;

const checkFinding = z.object({
  check: z.string(),
  ok: z.boolean(),
  level: z.enum(['ok', 'warn', 'fail']),
  detail: z.string(),
  remedy: z.string().optional(),
});

export const cameraAnswer = z.object({
  findings: z.array(checkFinding),
  hasImage: z.boolean().describe('whether GET /api/v1/setup/image.jpg shows the camera'),
});
export type CameraAnswer = z.output<typeof cameraAnswer>;

export const brokerAnswer = z.object({ findings: z.array(checkFinding) });
export type BrokerAnswer = z.output<typeof brokerAnswer>;

export interface SetupTools {
  readonly view: SetupView;
  search(signal: AbortSignal): Promise<SearchAnswer>;
  /** @throws QcError onvif-failed, camera-unauthorized */
  streams(request: StreamsRequest, signal: AbortSignal): Promise<CameraStream[]>;
  camera(request: CameraRequest, signal: AbortSignal): Promise<CameraAnswer>;
  broker(request: BrokerRequest, signal: AbortSignal): Promise<BrokerAnswer>;
  /** The newest image of the last camera that was checked; undefined if there is none. */
  image(): Uint8Array | undefined;
  /** First run: writes the configuration. @throws QcError config-invalid if it is not complete */
  finish(): Promise<void>;
  /** First run: ends the guide, so that the inspection starts. */
  readonly start: () => void;
}
