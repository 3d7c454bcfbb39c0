/** The signal of the trigger over the last seconds, with its thresholds as lines and a mark for each part. */
import { percentOf } from '../shared/format.js';
import { t } from '../shared/language.js';
import { s } from '../shared/svg.js';

const shownMs = 20_000;
const height = 124;
/** Room for the labels of the axis. */
const left = 64;

/** @param {HTMLElement} box */
export function createPresenceChart(box) {
  /** @type {{at: number, share: number | null}[]} */
  let signal = [];
  /** @type {number[]} */
  let parts = [];
  let top = 0.2;
  /** Width on the screen, px: texts keep their size. */
  let width = 720;

  /** @param {number} at @param {number} now */
  const xOf = (at, now) => left + ((width - left) * (at - now + shownMs)) / shownMs;
  /** Small values matter most: square root. @param {number} share */
  const yOf = (share) => (height - 20) * (1 - Math.sqrt(Math.min(1, share / top)));

  return {
    /** @param {number} at @param {number | null} share */
    add(at, share) {
      signal.push({ at, share });
    },
    /** @param {number} at */
    addPart(at) {
      parts.push(at);
    },
    clear() {
      signal = [];
      parts = [];
    },
    /** Number of parts in view of the chart. */
    get parts() {
      return parts.length;
    },
    /** @param {number} now clock of the agent, ms @param {{enter: number, leave: number} | undefined} thresholds */
    draw(now, thresholds) {
      width = box.clientWidth || width;
      signal = signal.filter(({ at }) => at > now - shownMs);
      parts = parts.filter((at) => at > now - shownMs);
      const largest = Math.max(0.2, (thresholds?.enter ?? 0) * 1.5, ...signal.map(({ share }) => share ?? 0));
      top = Math.min(1, largest);
      let path = '';
      let isDrawing = false;
      for (const { at, share } of signal) {
        if (share !== null)
          path += `${isDrawing ? 'L' : 'M'}${xOf(at, now).toFixed(1)} ${yOf(share).toFixed(1)}`;
        isDrawing = share !== null;
      }
      /** @param {'enter' | 'leave'} name @param {number} share */
      const threshold = (name, share) => [
        s('line', { class: `is-${name}`, x1: left, x2: width, y1: yOf(share), y2: yOf(share) }),
        s(
          'text',
          { x: left - 6, y: yOf(share) + (name === 'enter' ? 0 : 10), 'text-anchor': 'end' },
          `${name === 'enter' ? '▲' : '▽'} ${percentOf(share)}`,
        ),
      ];
      const label = thresholds
        ? t(
            'Share of the region that differs, in the last 20 seconds. A part arrives above {enter} and has left below {leave}. Parts counted: {n}',
            {
              enter: percentOf(thresholds.enter),
              leave: percentOf(thresholds.leave),
              n: parts.length,
            },
          )
        : t('Parts counted in the last 20 seconds: {n}', { n: parts.length });
      box.replaceChildren(
        s(
          'svg',
          { class: 'aim-chart', viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': label },
          s('rect', { class: 'is-ground', x: left, y: 0, width: width - left, height: height - 20 }),
          ...(thresholds
            ? [...threshold('enter', thresholds.enter), ...threshold('leave', thresholds.leave)]
            : []),
          s('path', { class: 'is-signal', d: path || 'M0 0' }),
          ...parts.map((at) => {
            const x = xOf(at, now);
            return s('path', {
              class: 'is-part',
              d: `M${x} ${height - 18}l-7 14h14zM${x} 0V${height - 20}`,
            });
          }),
        ),
      );
    },
  };
}
