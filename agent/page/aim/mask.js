/** The pixels that differ from the empty region, as a hatched layer above the region. */
import { place } from './region-box.js';

/** @import { AimLookRecord, AimStateRecord } from '../../http/aim-view.ts' */

/** Screen pixels for each pixel of the mask: enough for a pattern. */
const scale = 4;

/** @param {HTMLCanvasElement} canvas @param {AimLookRecord['mask']} mask @param {AimStateRecord['region']} region */
export function drawMask(canvas, mask, region) {
  const context = canvas.getContext('2d');
  if (!context) return;
  if (!mask) {
    context.clearRect(0, 0, canvas.width, canvas.height);
    return;
  }
  canvas.width = mask.width * scale;
  canvas.height = mask.height * scale;
  place(canvas, region);
  const bits = atob(mask.bits);
  for (let y = 0; y < mask.height; y++) {
    for (let x = 0; x < mask.width; x++) {
      const at = y * mask.width + x;
      if (!((bits.charCodeAt(at >> 3) << (at & 7)) & 0x80)) continue;
      context.fillStyle = (x + y) % 2 ? 'rgb(255 178 36 / 55%)' : 'rgb(13 17 20 / 45%)';
      context.fillRect(x * scale, y * scale, scale, scale);
    }
  }
}
