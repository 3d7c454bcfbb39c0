/** Schemas of installing bases over HTTP: the catalogue, requests and progress. */
import { z } from 'zod';
import { baseName, jobView } from '../compare/views.ts';

const side = z.number().int().min(32).max(4096);
const settings = {
  name: baseName.optional().describe('name of the base; default: from the address or the file'),
  licence: z.string().trim().min(1).max(100).optional().describe('licence of the weights, if you know it'),
  acceptLicence: z
    .boolean()
    .default(false)
    .describe('use weights whose licence excludes commercial use: their terms allow yours'),
  features: z
    .enum(['last', 'stages'])
    .default('last')
    .describe('last: average of the last map; stages: average and maximum of stages 2 and 3'),
};

export const pullRequest = z.strictObject({
  address: z
    .string()
    .trim()
    .min(1)
    .max(500)
    .regex(/^[^\s?#]+$/, 'must be a name of the catalogue or an address without a query')
    .refine((text) => !text.startsWith('http:'), 'must begin with https')
    .describe('a name of the catalogue, hf:owner/name, torchvision:resnet50, https://…'),
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional()
    .describe('expected sha256 of the weights'),
  width: side.optional().describe('of the images that it takes; default: what its files say, otherwise 224'),
  height: side.optional(),
  ...settings,
});
export type PullAsked = z.output<typeof pullRequest>;

export const importRequest = z.strictObject({
  file: z
    .string()
    .max(200)
    .regex(/^[A-Za-z0-9][\w.+-]*$/, 'must be the name of a file')
    .describe('name of the file that the body contains; its ending matters. A .tar.gz holds a folder'),
  ...settings,
  acceptLicence: z.stringbool().default(false),
  width: z.coerce.number().pipe(side).optional(),
  height: z.coerce.number().pipe(side).optional(),
});
export type ImportAsked = z.output<typeof importRequest>;

export const installingView = jobView.extend({
  name: z.string().nullable().describe('the base that was installed'),
  notices: z.array(z.string()).describe('what happened on the way, the newest last'),
});
export type InstallingView = z.output<typeof installingView>;

export const catalogueView = z.array(
  z.object({
    name: z.string(),
    address: z.string(),
    architecture: z.string(),
    input: z.string().describe('how images are prepared'),
    licence: z.string(),
    licenceUrl: z.string(),
    commercial: z.boolean().describe('false: the licence excludes commercial use'),
    megabytes: z.number(),
    checkedBy: z.string(),
    remarks: z.string().nullable(),
    installed: z.boolean().describe('a base of this name is installed'),
  }),
);
export type CatalogueView = z.output<typeof catalogueView>;
