/** A version that judges in the shadow of the active one: how often they disagree, and where. */
import { candidatePicture } from '../shared/api-client.js';
import { h } from '../shared/dom.js';
import { verdictWords } from '../shared/verdicts.js';
import { counted } from './rates.js';

const shown = 8;

/** @param {string} version */
export function createShadowPanel(version) {
  const element = h('section', { class: 'panel shadow', hidden: true, 'aria-label': 'In the shadow' });
  let drawn = '';
  return {
    element,
    /** @param {object} overview */
    update({ shadow }) {
      const isMine = shadow?.version === version;
      element.hidden = !isMine;
      const wanted = isMine ? JSON.stringify(shadow) : '';
      if (wanted === drawn) return;
      drawn = wanted;
      element.replaceChildren(...(isMine ? shadowSections(shadow) : []));
    },
  };
}

function shadowSections({ judged, disagreements, newest }) {
  const words =
    judged === 0
      ? 'It judges along, unpublished. No part has come yet.'
      : `It has judged ${counted(judged, 'part')} along with the active head; they disagreed on ${disagreements}.`;
  return [
    h('h3', {}, '◐ In the shadow'),
    h('p', {}, words),
    h(
      'ul',
      { class: 'worst' },
      ...newest.slice(0, shown).map((one) => {
        const picture = h('img', {
          src: candidatePicture(one.resultId),
          alt: '',
          loading: 'lazy',
          width: 132,
          height: 104,
        });
        // Pictures of parts that passed long ago are not kept.
        picture.addEventListener('error', () => picture.remove());
        return h(
          'li',
          {},
          h(
            'a',
            { class: 'mini', href: `#label/${one.resultId}` },
            picture,
            h('span', { class: 'mini-words' }, `active ${saidOf(one.active, one.activeLabel)}`),
            h('span', { class: 'mini-words' }, `shadow ${saidOf(one.shadow, one.shadowLabel)}`),
            h('span', { class: 'mini-words is-link' }, 'Label it →'),
          ),
        );
      }),
    ),
  ];
}

const saidOf = (verdict, label) => {
  const { symbol = '?', word = verdict } = verdictWords[verdict] ?? {};
  return `${symbol} ${word.toLowerCase()}${label ? ` (${label})` : ''}`;
};
