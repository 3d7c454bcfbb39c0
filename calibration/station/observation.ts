/** What the line says of each part that it has judged. */
import type { Image } from '../../models/image.ts';
import type { Decision } from '../../models/verdict.ts';
import type { JudgedPart } from '../collect/queue.ts';

/** What calibration reads of a published result. */
export interface PublishedResult
  extends Pick<
    JudgedPart,
    'resultId' | 'camera' | 'partId' | 'capturedAt' | 'verdict' | 'label' | 'probability' | 'votes'
  > {
  /** `completed` if the part was judged. */
  readonly state: string;
  readonly model: { readonly version: string };
}

/** What the line knows of a part besides its result. */
export interface Observation {
  /** A frame that was judged for the part; undefined if there is none. */
  readonly frame: { readonly image: Image } | undefined;
  /** [D], features of that frame; undefined if nothing was judged. */
  readonly features?: Float32Array | undefined;
  /** Whether the part is unlike every labelled one. */
  readonly unfamiliar?: boolean | undefined;
  /** What the candidate in the shadow would have decided. */
  readonly shadow?: ShadowDecision | undefined;
}

export interface ShadowDecision {
  readonly version: string;
  readonly decision: Decision;
}
