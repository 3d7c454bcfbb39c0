/** The base that a head was trained on, opened only if a candidate on another base is compared with this head. */
import type { ModelConfig } from '../../config/schema.ts';
import type { Image } from '../../models/image.ts';
import type { HeadManifest } from '../../models/manifest.ts';
import { onThisMachine } from '../../models/run/providers.ts';
import type { FeatureMaps } from '../../models/run/runner.ts';
import { openSession, type Session } from '../../models/run/session.ts';
import { baseForIn } from '../../models/versions/pair.ts';
import type { LabelledFrame } from '../dataset/frame.ts';
import { imageOfFrame } from '../dataset/read-frame.ts';
import { throttled } from './throttle.ts';

/** What a base computes for a frame; the maps only if they are needed. */
export type Look = (
  frame: LabelledFrame,
  withMaps: boolean,
) => Promise<{ readonly features: Float32Array; readonly maps?: FeatureMaps }>;

export interface BaseOfHead extends AsyncDisposable {
  /** Undefined if the base is not installed any more. */
  lookWith(manifest: HeadManifest): Promise<Look | undefined>;
}

export function openBaseOf(model: ModelConfig, storageDirectory: string): BaseOfHead {
  let session: Session | undefined;
  return {
    async lookWith(manifest) {
      const base = await baseForIn(model, storageDirectory)(manifest).catch(() => undefined);
      if (!base) return undefined;
      session = await openSession({ ...onThisMachine(model), base: base.name, storageDirectory });
      const open = session;
      const both = throttled((image: Image) => open.maps(image));
      const features = throttled((image: Image) => open.features(image));
      return async (frame, withMaps) => {
        const image = await imageOfFrame(frame);
        return withMaps ? await both(image) : { features: await features(image) };
      };
    },
    async [Symbol.asyncDispose]() {
      await session?.[Symbol.asyncDispose]();
    },
  };
}
