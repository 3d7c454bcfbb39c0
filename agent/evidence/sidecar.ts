/** The file next to an image: its result, and the map of deviations. */
import { z } from 'zod';
import { type Result, resultMessage } from '../publish/messages.ts';
import { type WhereMapView, whereMapView } from './where-view.ts';

/** A later version may have added fields. */
const resultSchema = z.object(resultMessage.shape);
const mapSchema = z.object({ whereMap: whereMapView.optional() });

export function sidecarText(result: Result, whereMap: WhereMapView | undefined): string {
  return `${JSON.stringify(whereMap ? { ...result, whereMap } : result)}\n`;
}

/** @returns undefined if it is damaged */
export const parseResult = (text: string): Result | undefined => parsed(text, resultSchema);

/** @returns undefined if there is none, or it is damaged */
export const parseMap = (text: string): WhereMapView | undefined => parsed(text, mapSchema)?.whereMap;

function parsed<T>(text: string, schema: z.ZodType<T>): T | undefined {
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
