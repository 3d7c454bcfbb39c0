/** Focus and exposure of the region. */
import { byId, setText } from '../shared/dom.js';
import { percentOf } from '../shared/format.js';
import { t } from '../shared/language.js';
import { s } from '../shared/svg.js';

/** @import { AimImageRecord } from '../../http/aim-view.ts' */

/** Values whose median is shown, against noise. */
const smoothed = 3;
const kept = 300;
/** More pixels without detail than this are worth a word. */
const clippedShare = 0.01;
/** A dark background is usual: only a mostly black region is. */
const darkShare = 0.5;

export function createFocusMeter() {
  /** @type {number[]} */
  let values = [];
  let best = 0;
  let region = '';
  const again = () => {
    values = [];
    best = 0;
  };
  byId('focus-again').addEventListener('click', again);
  return {
    /** @param {AimImageRecord} image */
    show(image) {
      // Values of different regions cannot be compared.
      const measured = JSON.stringify([image.region, image.frame]);
      if (measured !== region) again();
      region = measured;
      values.push(image.focus);
      if (values.length > kept) values.shift();
      const newest = values.slice(-smoothed).sort((a, b) => a - b);
      const value = newest[newest.length >> 1] ?? 0;
      if (values.length >= smoothed) best = Math.max(best, value);
      const share = best > 0 ? Math.min(1, value / best) : 0;
      byId('focus-meter', HTMLMeterElement).value = 100 * share;
      setText(byId('focus-value'), best > 0 ? percentOf(share, 0) : '–');
      const points = values.map(
        (one, n) => `${n * (300 / kept)},${40 - (best > 0 ? 38 * Math.min(1, one / best) : 0)}`,
      );
      byId('focus-chart').replaceChildren(
        s(
          'svg',
          { class: 'aim-chart', viewBox: '0 0 300 42', 'aria-hidden': 'true' },
          s('line', { class: 'is-enter', x1: 0, x2: 300, y1: 2, y2: 2 }),
          s('polyline', { class: 'is-signal', points: points.join(' ') }),
        ),
      );
    },
  };
}

/** @param {AimImageRecord} image */
export function showExposure({ dark, bright, histogram }) {
  const state = byId('exposure-state');
  if (bright > clippedShare) {
    setText(state, t('▲ Too bright: shorten the exposure time or close the aperture'));
  } else if (dark > darkShare) {
    setText(state, t('▼ Too dark: add light, lengthen the exposure time or open the aperture'));
  } else setText(state, t('✓ Good'));
  setText(byId('dark'), percentOf(dark));
  setText(byId('bright'), percentOf(bright));
  const most = Math.max(...histogram, 0.001);
  const bars = histogram.map((share, n) => {
    const isClipped = (n === 0 && dark > darkShare) || (n === histogram.length - 1 && bright > clippedShare);
    const high = 56 * Math.sqrt(share / most);
    const place = {
      x: (n * 300) / histogram.length,
      y: 58 - high,
      width: 300 / histogram.length - 1,
      height: high,
    };
    return s('rect', { class: isClipped ? 'is-clipped' : 'is-bar', ...place });
  });
  byId('histogram').replaceChildren(
    s(
      'svg',
      {
        class: 'aim-chart',
        viewBox: '0 0 300 74',
        role: 'img',
        'aria-label': t('Brightness of the region, from black to white'),
      },
      ...bars,
      s('text', { x: 0, y: 72 }, t('black')),
      s('text', { x: 300, y: 72, 'text-anchor': 'end' }, t('white')),
    ),
  );
}
