/** A model in shadow mode: how often it disagrees with the active model, and on which parts. */
import { candidateImagePath } from '../shared/api-client.js';
import { h } from '../shared/dom.js';
import { t, tn } from '../shared/language.js';
import { verdictWords } from '../shared/verdicts.js';

/** @import { Overview, ShadowView } from '../../../calibration/views.ts' */

const maxShown = 8;

/** @param {string} version */
export function createShadowPanel(version) {
  const element = h('section', { class: 'panel shadow', hidden: true, 'aria-label': t('Shadow mode') });
  let drawn = '';
  return {
    element,
    /** @param {Pick<Overview, 'shadow'>} overview */
    update({ shadow }) {
      const own = shadow?.version === version ? shadow : null;
      element.hidden = own === null;
      const wanted = JSON.stringify(own);
      if (wanted === drawn) return;
      drawn = wanted;
      element.replaceChildren(...(own ? contentOf(own) : []));
    },
  };
}

/** @param {ShadowView} shadow */
function contentOf({ judged, disagreements, newest }) {
  return [
    h('h3', {}, t('◐ Shadow mode')),
    h(
      'p',
      {},
      judged === 0
        ? t('It judges each part as well, but its results are not published. No part has arrived yet.')
        : tn(
            'It judged {n} part. It disagreed with the active model on {disagreements}. Its results are not published.',
            'It judged {n} parts. It disagreed with the active model on {disagreements}. Its results are not published.',
            judged,
            { disagreements },
          ),
    ),
    h('ul', { class: 'worst' }, ...newest.slice(0, maxShown).map((one) => h('li', {}, disagreement(one)))),
  ];
}

/** @param {ShadowView['newest'][number]} one */
function disagreement({ resultId, active, activeLabel, shadow, shadowLabel }) {
  const image = h('img', {
    src: candidateImagePath(resultId),
    alt: '',
    loading: 'lazy',
    width: 132,
    height: 104,
  });
  // Images of older parts that passed may have been deleted.
  image.addEventListener('error', () => image.remove());
  return h(
    'a',
    { class: 'mini', href: `#label/${resultId}` },
    image,
    h('span', { class: 'mini-words' }, t('active: {verdict}', { verdict: verdictText(active, activeLabel) })),
    h('span', { class: 'mini-words' }, t('shadow: {verdict}', { verdict: verdictText(shadow, shadowLabel) })),
    h('span', { class: 'mini-words is-link' }, t('Label it →')),
  );
}

/** @param {string} verdict @param {string | null} label */
function verdictText(verdict, label) {
  const known = verdict === 'pass' || verdict === 'fail' || verdict === 'uncertain' ? verdict : undefined;
  const { symbol, word } = known ? verdictWords[known] : { symbol: '?', word: verdict };
  return `${symbol} ${word}${label ? ` (${label})` : ''}`;
}
