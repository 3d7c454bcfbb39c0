/** Data of judged parts that the line passes to calibration. */
import type { Image } from '../../models/image.ts';
import type { Decision } from '../../models/verdict.ts';
import type { JudgedPart } from '../collect/queue.ts';

/** The fields of a published result that calibration uses. */
export interface PublishedResult
  extends Pick<
    JudgedPart,
    'resultId' | 'camera' | 'partId' | 'capturedAt' | 'verdict' | 'label' | 'probability' | 'votes'
  > {
  /** `completed` if the part was judged. */
  readonly state: string;
  readonly model: { readonly version: string };
}

/** Data of a part in addition to its result. */
export interface Observation {
  /** A frame that was judged for the part; undefined if there is none. */
  readonly frame: { readonly image: Image } | undefined;
  /** [D], features of that frame; undefined if nothing was judged. */
  readonly features?: Float32Array | undefined;
  /** Whether the part is unlike every labelled one. */
  readonly unfamiliar?: boolean | undefined;
  /** Decision of the shadow version. */
  readonly shadow?: ShadowDecision | undefined;
}

export interface ShadowDecision {
  readonly version: string;
  readonly decision: Decision;
}
