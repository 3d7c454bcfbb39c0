/**
 * Runs with feature maps in addition to the features. They use a second session for the same base, opened when the first head
 * needs it: a graph with these outputs takes slightly longer, and heads without localized features must not pay for it.
 */

import { QcError } from '../../config/errors.ts';
import type { BaseRequest } from '../base.ts';
import { type Base, mapShapes, openBase } from '../base.ts';
import type { BaseManifest } from '../manifest.ts';
import type { OnnxSession } from './onnx-session.ts';
import type { ImageFeatures, Runner } from './runner.ts';

/** @param open opens the second session */
export function withMaps(plain: OnnxSession, open: () => Promise<OnnxSession>): Runner {
  let opening: Promise<OnnxSession> | undefined;
  return {
    async openMaps() {
      opening ??= open().catch((error: unknown) => {
        // Allows another attempt.
        opening = undefined;
        throw error;
      });
      await opening;
    },
    async run(images, { wide = false, maps = false } = {}) {
      if (!maps) return await plain.run(images, wide);
      if (!opening) throw new QcError('internal', 'maps were requested before they were opened');
      return await (await opening).run(images, wide);
    },
    close: () => plain.close?.(),
  };
}

/** Opens the file of the running base again, with its maps. @throws QcError maps-unavailable, and as `openBase` */
export async function openMappedBase(request: BaseRequest, running: BaseManifest): Promise<Base> {
  const precision = running.variantOf === undefined ? request.precision : running.precision;
  const base = await openBase({ ...request, precision }, 'maps');
  if (base.manifest.sha256 !== running.sha256) {
    throw new QcError('model-mismatch', `${base.file} was replaced since the model was opened`, {
      remedy: 'restart the agent',
    });
  }
  if (base.maps.length > 0) return base;
  throw new QcError('maps-unavailable', `the base ${running.name} has no maps of stages 2 and 3`);
}

/** Refuses a base whose maps do not have the expected shapes (`model-mismatch`). */
export function requireMaps(base: Base, { maps = {} }: ImageFeatures): void {
  for (const { name, channels, height, width } of mapShapes(base)) {
    const map = maps[name];
    if (map?.channels === channels && map.height === height && map.width === width) continue;
    const found = map ? `[${map.channels},${map.height},${map.width}]` : 'nothing';
    throw new QcError(
      'model-mismatch',
      `${base.file}: the map ${name} is ${found}, expected [${channels},${height},${width}]`,
      { remedy: 'correct "maps" in the manifest next to it, or set it to []' },
    );
  }
}
