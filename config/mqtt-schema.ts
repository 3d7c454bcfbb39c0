/** Settings of the broker and of Sparkplug. */
import { z } from 'zod';
import { milliseconds } from './schema-parts.ts';

/** Sparkplug 3.0 §4.1: ids become topic levels. */
const sparkplugId = z
  .string()
  .regex(
    /^(?!STATE$)[^+/#\s\p{Cc}]([^+/#\p{Cc}]{0,61}[^+/#\s\p{Cc}])?$/u,
    'at most 63 characters without +, /, #, and no space at either end; not STATE',
  );

export const sparkplugSchema = z.strictObject({
  groupId: sparkplugId.describe('group of this edge node, often the plant or the area'),
  edgeNodeId: sparkplugId
    .optional()
    .describe('name of this agent as an edge node, unique within its group; default <station>'),
  primaryHost: sparkplugId
    .optional()
    .describe(
      'id of the host application to wait for: results are queued while it is offline; default: do not wait',
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
    .describe('prefix of all topics, ISA-95 style; default qc/<station>'),
  clientId: z.string().min(1).max(64).optional().describe('default qc-<station>'),
  username: z.string().min(1).optional().describe('user name at the broker'),
  passwordFile: z.string().min(1).optional().describe('file that contains the broker password'),
  password: z
    .string()
    .optional()
    .meta({ secret: true })
    .describe('from the environment only: QC_MQTT__PASSWORD'),
  ca: z.string().min(1).optional().describe('PEM file of the authority that signed the broker certificate'),
  cert: z.string().min(1).optional().describe('PEM file of the client certificate'),
  key: z.string().min(1).optional().describe('PEM file of the client key'),
  qos: z
    .literal([0, 1])
    .default(1)
    .describe(
      'quality of service of messages and subscriptions; use 0 only for a broker without QoS 1: messages in transit are lost with the connection',
    ),
  retain: z
    .boolean()
    .default(true)
    .describe(
      'publish status, handshakes and the last will as retained messages; use false only for a broker that does not support them',
    ),
  commands: z
    .boolean()
    .default(true)
    .describe('subscribe to commands; use false for a station that receives none over MQTT'),
  keepaliveSeconds: z.number().int().min(1).max(3_600).default(15).describe('keep-alive interval, s'),
  outboxMessages: z
    .number()
    .int()
    .min(10)
    .max(1_000_000)
    .default(50_000)
    .describe(
      'maximum number of results (and verdicts) queued while the broker is unavailable; the oldest are discarded first',
    ),
  commandMaxAgeMs: milliseconds(100, 3_600_000)
    .default(5_000)
    .describe('a command with an older issuedAt is refused as stale'),
  sparkplug: sparkplugSchema
    .optional()
    .describe('publish also as a Sparkplug B edge node, with one device per camera; absent: off'),
});
