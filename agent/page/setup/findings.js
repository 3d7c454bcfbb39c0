/** Results of a check, as `qc-agent doctor` reports them. */
import { h } from '../shared/dom.js';
import { fromAgent, t } from '../shared/language.js';

/** @typedef {{level: 'ok' | 'warn' | 'fail', detail: string, remedy?: string | undefined}} Finding */

const words = { ok: `✓ ${t('good')}`, warn: `▲ ${t('note')}`, fail: `✕ ${t('failed')}` };

/** @param {HTMLElement} list @param {readonly Finding[]} findings */
export function showFindings(list, findings) {
  list.replaceChildren(
    ...findings.map(({ level, detail, remedy }) =>
      h(
        'li',
        { data: { level } },
        h('span', { class: 'finding-level' }, words[level]),
        h('span', {}, fromAgent(detail)),
        remedy && h('small', {}, fromAgent(remedy)),
      ),
    ),
  );
}
