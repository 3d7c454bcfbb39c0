/** The map of deviations of a part as it is stored with the evidence and shown on the pages: coarse and small. */
import { z } from 'zod';

const side = z.number().int().min(1).max(64);
export const whereMapView = z.object({
  width: side,
  height: side,
  least: z
    .number()
    .describe('minimum peak of a reported location, in standard deviations of ordinary places'),
  most: z.number().describe('the deviation of the level 255'),
  levels: z.base64().describe('one byte for each cell of the judged image, row by row; 0: ordinary'),
});
export type WhereMapView = z.output<typeof whereMapView>;
