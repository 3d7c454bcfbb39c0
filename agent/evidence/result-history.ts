/** Earlier results: the newest from memory, older ones from their evidence. */
import type { Image } from '../../models/image.ts';
import { decodePicture } from '../../models/prepare/decode.ts';
import type { Result } from '../publish/messages.ts';
import type { Evidence } from './evidence.ts';
import type { WhereMapView } from './where-view.ts';

export interface ResultHistory {
  /** Undefined if it is not stored. */
  result(resultId: string): Promise<Result | undefined>;
  /** The judged image: the original if it is in memory, otherwise decoded from its JPEG; undefined if neither is stored. */
  image(resultId: string): Promise<Image | undefined>;
  /** The judged image as JPEG; undefined if it is not stored. */
  picture(resultId: string): Promise<Buffer | undefined>;
  /** Undefined if the head cannot locate defects, or the result is not stored. */
  map(resultId: string): Promise<WhereMapView | undefined>;
}

/** The newest results, in memory. */
interface Memory {
  result(resultId: string): Result | undefined;
  image(resultId: string): Promise<Image | undefined>;
  picture(resultId: string): Promise<Buffer | undefined>;
  map(resultId: string): WhereMapView | undefined;
}

export function createResultHistory(
  recent: Memory,
  evidence: Pick<Evidence, 'result' | 'picture' | 'map'>,
): ResultHistory {
  return {
    result: async (resultId) => recent.result(resultId) ?? evidence.result(resultId),
    async image(resultId) {
      const image = await recent.image(resultId);
      if (image) return image;
      const jpeg = await evidence.picture(resultId);
      return jpeg && decodePicture(jpeg);
    },
    picture: async (resultId) => (await recent.picture(resultId)) ?? evidence.picture(resultId),
    map: async (resultId) => recent.map(resultId) ?? evidence.map(resultId),
  };
}
