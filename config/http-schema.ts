/** Settings of the HTTP interface. */
import { z } from 'zod';

export const httpSchema = z.strictObject({
  host: z
    .string()
    .min(1)
    .default('127.0.0.1')
    .describe('address to listen on; any address other than loopback needs tokensFile'),
  port: z.number().int().min(0).max(65_535).default(8080).describe('0 = any free port'),
  tokensFile: z
    .string()
    .min(1)
    .optional()
    .describe(
      'file of access tokens, one "name role sha256" per line (create them with qc-agent token); read again when it changes',
    ),
  cert: z
    .string()
    .min(1)
    .optional()
    .describe('PEM file of the certificate for HTTPS; read again when it changes'),
  key: z.string().min(1).optional().describe('PEM file of its key'),
  sessionHours: z
    .number()
    .positive()
    .max(8_760)
    .default(12)
    .describe('h after which a user must log in again'),
  sessionIdleMinutes: z
    .number()
    .positive()
    .max(10_080)
    .default(30)
    .describe(
      'min without activity (a change or an opened page) after which an operator or engineer is logged out',
    ),
  requestsPerMinute: z
    .number()
    .int()
    .min(60)
    .max(1_000_000)
    .default(6_000)
    .describe('maximum number of requests per minute of one token, or of one address without a token'),
  maxBodyMb: z.number().positive().max(1_000).default(20).describe('maximum size of a request body, MB'),
});
