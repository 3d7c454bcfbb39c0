import { openScene, type Scene } from '../../../../agent/demo/scene.ts';
import type { Image } from '../../../../models/image.ts';

const light = { gain: 1, slopeX: 0, slopeY: 0, warmth: 0, angle: 0 };

/** Draws a moving empty belt quickly; no two images are equal. */
export function movingBelt(): (at: number, width: number, height: number) => Image {
  let scene: Scene | undefined;
  return (at, width, height) => {
    if (scene?.width !== width || scene.height !== height) scene = openScene(width, height, 1);
    return scene.draw(at / 10, [], light, Math.round(at) % 2 ** 31);
  };
}
