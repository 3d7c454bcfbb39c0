/** The most frequent defects, with example images and links to the evidence. */
import { evidenceImagePath, get } from '../shared/api-client.js';
import { h } from '../shared/dom.js';
import { countOf } from '../shared/format.js';
import { t } from '../shared/language.js';
import { rateOf } from './words.js';

/** @import { EvidencePage } from '../../http/views.ts' */
/** @import { StatisticsView } from '../../statistics/views.ts' */

const shownLabels = 6;
const examples = 3;

/** @param {HTMLElement} place */
export function createPareto(place) {
  /** Images by label, and what they were asked for; asked again only when the count has changed. */
  /** @type {Map<string, {key: string, ids: readonly string[]}>} */
  const found = new Map();
  let drawn = '';

  /** @param {string} label @param {StatisticsView} report @param {string} camera */
  const query = (label, { from, to }, camera) =>
    new URLSearchParams({ verdict: 'fail', label, from, to, ...(camera !== '' && { camera }) });

  /** @param {StatisticsView} report @param {string} camera empty: all */
  async function loadExamples(report, camera) {
    for (const { label, count } of report.defects.slice(0, shownLabels)) {
      const key = `${query(label, report, camera)} ${count}`;
      if (found.get(label)?.key === key) continue;
      const path = `api/v1/evidence?${query(label, report, camera)}&limit=${examples}`;
      /** @type {EvidencePage} */
      const page = await get(path).catch(() => ({ items: [], next: null }));
      found.set(label, { key, ids: page.items.map(({ resultId }) => resultId) });
    }
  }

  /** @param {StatisticsView} report @param {string} camera */
  function draw(report, camera) {
    const { defects, total } = report;
    const text = JSON.stringify([defects, total.fail, [...found], report.from, report.to]);
    // Images must not flicker when nothing has changed.
    if (text === drawn) return;
    drawn = text;
    if (defects.length === 0) {
      place.replaceChildren(h('p', { class: 'hint' }, t('No part has failed in this time.')));
      return;
    }
    const most = defects[0]?.count ?? 1;
    const rows = defects.slice(0, shownLabels).map(({ label, count }) => {
      const bar = h('span');
      bar.style.width = `${(count / most) * 100}%`;
      return h(
        'li',
        {},
        h(
          'a',
          { class: 'pareto-head', href: `evidence.html#${query(label, report, camera)}` },
          h('span', { class: 'pareto-name' }, label),
          h(
            'span',
            { class: 'pareto-count' },
            t('Parts: {count}, {share} of the failed', {
              count: countOf(count),
              share: rateOf(count / total.fail),
            }),
          ),
        ),
        h('div', { class: 'pareto-bar', 'aria-hidden': 'true' }, bar),
        h(
          'div',
          { class: 'pareto-images' },
          ...(found.get(label)?.ids ?? []).map((id) => example(id, label)),
        ),
      );
    });
    const others = defects.slice(shownLabels).reduce((sum, { count }) => sum + count, 0);
    place.replaceChildren(h('ol', { class: 'pareto' }, ...rows));
    if (others === 0) return;
    place.append(
      h('p', { class: 'hint' }, t('Failed parts with other labels: {count}.', { count: countOf(others) })),
    );
  }

  return {
    /** @param {StatisticsView} report @param {string} camera empty: all */
    async show(report, camera) {
      draw(report, camera);
      await loadExamples(report, camera);
      draw(report, camera);
    },
  };
}

/** @param {string} resultId @param {string} label */
function example(resultId, label) {
  const image = h('img', {
    src: evidenceImagePath(resultId),
    alt: t('Example of {label}', { label }),
    loading: 'lazy',
    decoding: 'async',
    width: 96,
    height: 76,
  });
  // The oldest evidence is deleted when its space is full.
  image.addEventListener('error', () => image.remove());
  return image;
}
