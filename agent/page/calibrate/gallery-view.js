/** The labelled frames: look through, select, relabel, delete. */
import { get, link } from '../shared/api-client.js';
import { confirmInPage } from '../shared/dialog.js';
import { byId, setText } from '../shared/dom.js';
import { person } from '../shared/user.js';
import { changeLabel } from './change-label.js';
import { chooseLabel } from './choose-label.js';
import { openFrameViewer } from './frame-viewer.js';
import { createFilter, frameItem } from './gallery-parts.js';
import { followGrid } from './grid-keys.js';
import { counted } from './rates.js';
import { createSelection } from './selection.js';

const pageSize = 60;
/** The agent gives no more at once. */
const mostAtOnce = 200;

/** @param {{store: object, changes: object, toasts: object}} tools */
export function createGallery({ store, changes, toasts }) {
  const element = byId('view-gallery');
  const list = byId('gallery-frames');
  let items = [];
  let next = null;
  let filter;
  /** The revision that is shown. */
  let revision;
  let turn = 0;
  const selection = createSelection(() => items.map(({ id }) => id));

  const load = async ({ isMore = false } = {}) => {
    const mine = ++turn;
    const limit = isMore ? pageSize : Math.min(mostAtOnce, Math.max(pageSize, items.length));
    const query = new URLSearchParams({ limit });
    if (filter !== undefined) query.set('label', filter);
    if (isMore) query.set('after', next);
    const asked = store.value?.revision;
    try {
      const page = await get(`api/v1/dataset/frames?${query}`);
      if (mine !== turn) return;
      items = isMore ? [...items, ...page.items] : page.items;
      next = page.next;
      revision = asked;
      draw(page.total);
    } catch (error) {
      toasts.error(error);
    }
  };

  const drawFrames = () => {
    const known = new Map([...list.children].map((one) => [one.dataset.id, one]));
    const shown = items.map((frame) => {
      const old = known.get(frame.id);
      if (old?.dataset.label === frame.label) return old;
      return frameItem(frame, store.isGood(frame.label));
    });
    const hadFocus = list.contains(document.activeElement);
    list.replaceChildren(...shown);
    grid.settle();
    if (hadFocus) grid.focus();
  };
  const drawSelection = () => {
    for (const one of list.children) one.setAttribute('aria-selected', String(selection.has(one.dataset.id)));
    const count = selection.ids.length;
    setText(byId('gallery-count'), count === 0 ? 'None selected' : `${count} selected`);
    for (const id of ['gallery-relabel', 'gallery-remove', 'gallery-none']) byId(id).disabled = count === 0;
    byId('gallery-open').disabled = items.length === 0;
    byId('gallery-all').disabled = items.length === 0;
    byId('gallery-label').hidden = filter === undefined || items.length === 0;
  };
  const drawUndo = () => {
    const { words, canUndo } = changes.undoable;
    byId('gallery-undo').disabled = !canUndo;
    setText(byId('gallery-undo').querySelector('small'), words);
  };
  const draw = (total) => {
    drawFrames();
    drawSelection();
    byId('gallery-more').hidden = next === null;
    setText(byId('gallery-more'), `More (${items.length} of ${total} shown)`);
    byId('gallery-empty').hidden = items.length > 0;
    byId('gallery-hint').hidden = items.length === 0;
    setText(
      byId('gallery-empty'),
      filter === undefined
        ? 'No part has been labelled yet: label some first.'
        : `No frame is labelled ${filter}.`,
    );
  };
  const showLabel = (label) => {
    filter = label;
    items = [];
    selection.clear();
    void load();
  };
  const filterRow = createFilter(byId('gallery-filter'), showLabel);
  const changeShownLabel = async () => {
    const now = await changeLabel(filter, { store, changes, toasts });
    if (now === undefined) return;
    await store.refresh();
    filterRow.choose(now === '' ? undefined : now);
  };

  /** Does it, says so, and shows what is there now. */
  const doIt = async (work, words) => {
    try {
      await work();
      toasts.note(words);
      selection.clear();
    } catch (error) {
      toasts.error(error);
    }
    await load();
  };
  const relabel = async () => {
    const { ids } = selection;
    if (ids.length === 0) return;
    const label = await chooseLabel(
      `What ${ids.length === 1 ? 'is it' : `are these ${ids.length}`}?`,
      store.value.labels,
    );
    if (label === undefined) return;
    await doIt(() => changes.relabel(ids, label), `${counted(ids.length, 'frame')} now ${label}`);
  };
  const remove = async () => {
    const { ids } = selection;
    if (ids.length === 0) return;
    const isSure = await confirmInPage({
      title: `Delete ${counted(ids.length, 'frame')}?`,
      text: 'The head will no longer learn from them. Undo brings them back.',
      yes: `Delete ${ids.length}`,
      no: 'Keep',
      isDanger: true,
    });
    if (isSure) await doIt(() => changes.remove(ids), `${counted(ids.length, 'frame')} deleted`);
  };
  const undo = async () => {
    await changes.undo();
    await load();
  };
  const open = async (id) => {
    const at = Math.max(
      0,
      items.findIndex((one) => one.id === id),
    );
    if (items.length === 0) return;
    await openFrameViewer([...items], at, {
      labels: store.value.labels,
      ...(person.canChange && {
        relabel: (one, label) => changes.relabel([one], label).catch((error) => toasts.error(error)),
      }),
    });
    await load();
  };

  const tap = (id, isRange) => {
    if (isRange) selection.extendTo(id);
    else selection.toggle(id);
    drawSelection();
  };
  const selectAll = () => {
    selection.all();
    drawSelection();
  };
  const clear = () => {
    selection.clear();
    drawSelection();
  };
  const grid = followGrid(list, { onTap: tap, onOpen: open });
  byId('gallery-more').addEventListener('click', () => load({ isMore: true }));
  byId('gallery-all').addEventListener('click', selectAll);
  byId('gallery-none').addEventListener('click', clear);
  byId('gallery-open').addEventListener('click', () => open(selection.ids.at(-1) ?? grid.activeId));
  byId('gallery-relabel').addEventListener('click', relabel);
  byId('gallery-remove').addEventListener('click', remove);
  byId('gallery-label').addEventListener('click', changeShownLabel);
  byId('gallery-undo').addEventListener('click', undo);
  changes.on('change', drawUndo);
  store.subscribe((overview) => {
    filterRow.show(overview);
    drawUndo();
    // Others label too; but nothing moves under a selection that is being made.
    const isStale = revision !== undefined && revision !== overview.revision;
    const isBusy = selection.ids.length > 0 || document.querySelector('dialog[open]');
    if (!element.hidden && isStale && !isBusy && link.isUp) void load();
  });

  return {
    element,
    title: 'Gallery',
    show: () => void load(),
    onKey(event) {
      const key = event.key.toLowerCase();
      if (event.ctrlKey) {
        if (key === 'a') selectAll();
        return key === 'a';
      }
      if (key === 'escape') clear();
      else if (key === 'delete') void remove();
      else if (key === 'r') void relabel();
      else if (key === 'z' || key === 'backspace') void undo();
      else if (key.startsWith('arrow')) grid.focus();
      else return false;
      return true;
    },
  };
}
