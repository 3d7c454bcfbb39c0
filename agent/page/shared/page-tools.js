/** Two buttons in the header of every page: help, and language and theme. Load it with its own script tag. */
import { openDialog } from './dialog.js';
import { find, h } from './dom.js';
import { helpOf } from './help.js';
import { chosenLanguage, languages, t, useLanguage } from './language.js';
import { storedTheme, useTheme } from './theme.js';

const docsPath = 'docs/';

/** @param {string} tag its name in its own language */
const nameOf = (tag) => new Intl.DisplayNames([tag], { type: 'language' }).of(tag) ?? tag;

/**
 * @param {string} id @param {string} label @param {string} chosen @param {[value: string, text: string][]} options
 * @param {(value: string) => void} onChoose
 */
const choice = (id, label, chosen, options, onChoose) =>
  h(
    'div',
    { class: 'field' },
    h('label', { for: id }, label),
    h(
      'select',
      {
        id,
        onchange: (/** @type {Event} */ { currentTarget }) =>
          currentTarget instanceof HTMLSelectElement && onChoose(currentTarget.value),
      },
      ...options.map(([value, text]) => h('option', { value, selected: value === chosen }, text)),
    ),
  );

const closeButton = (/** @type {() => HTMLDialogElement} */ dialog) =>
  h('button', { class: 'button', type: 'button', onclick: () => dialog().close() }, t('Close'));

function openDisplay() {
  const { dialog } = openDialog(
    { class: 'dialog tools-dialog', 'aria-label': t('Language and colours') },
    h('h2', {}, t('Language and colours')),
    choice(
      'choose-language',
      t('Language'),
      chosenLanguage ?? '',
      [
        ['', t('as the browser is set')],
        ...languages.map((tag) => /** @type {[string, string]} */ ([tag, nameOf(tag)])),
      ],
      (tag) => useLanguage(tag === '' ? undefined : tag),
    ),
    choice(
      'choose-colours',
      t('Colours'),
      storedTheme(),
      [
        ['', t('as the device is set')],
        ['light', t('light')],
        ['dark', t('dark')],
      ],
      useTheme,
    ),
    h('p', { class: 'hint' }, t('The choice is kept in this browser.')),
    closeButton(() => dialog),
  );
}

function openHelp() {
  const { purpose, keys, docs, terms } = helpOf(pageName());
  const { dialog } = openDialog(
    { class: 'dialog tools-dialog', 'aria-label': t('Help') },
    h('h2', {}, t('Help')),
    h('p', {}, purpose),
    h('h3', {}, t('Keys')),
    h(
      'dl',
      { class: 'help-keys' },
      ...[...keys, ...commonKeys()].map(([names, text]) =>
        h('div', {}, h('dt', {}, ...names.map((name) => h('kbd', {}, name))), h('dd', {}, text)),
      ),
    ),
    terms.length > 0 && h('h3', {}, t('Terms')),
    terms.length > 0 &&
      h(
        'dl',
        { class: 'help-terms' },
        ...terms.map(([term, text]) => h('div', {}, h('dt', {}, term), h('dd', {}, text))),
      ),
    docs.length > 0 && h('h3', {}, t('Manual')),
    docs.length > 0 &&
      h(
        'ul',
        { class: 'help-docs' },
        ...docs.map(([name, text]) =>
          h('li', {}, h('a', { href: `${docsPath}${name}.html`, target: '_blank', rel: 'noopener' }, text)),
        ),
      ),
    closeButton(() => dialog),
  );
}

/** @returns {[names: string[], text: string][]} */
const commonKeys = () => [
  [['?'], t('open this help')],
  [['Esc'], t('close a dialog')],
  [['Tab'], t('go to the next control')],
];

/** Such as `calibrate` for calibrate.html. */
const pageName = () => (location.pathname.split('/').at(-1) || 'index.html').replace(/\.html$/, '');

/** @param {string} symbol @param {string} name @param {() => void} onclick */
const toolButton = (symbol, name, onclick) =>
  h(
    'button',
    { class: 'tool', type: 'button', 'aria-label': name, title: name, 'aria-haspopup': 'dialog', onclick },
    h('span', { 'aria-hidden': 'true' }, symbol),
  );

find(document, '.bar').append(
  h(
    'div',
    { class: 'bar-tools' },
    toolButton('Aa', t('Language and colours'), openDisplay),
    toolButton('?', t('Help'), openHelp),
  ),
);
addEventListener('keydown', (event) => {
  const isTyping = event.target instanceof Element && event.target.closest('input, textarea, select');
  if (event.key !== '?' || isTyping || document.querySelector('dialog[open]')) return;
  event.preventDefault();
  openHelp();
});
