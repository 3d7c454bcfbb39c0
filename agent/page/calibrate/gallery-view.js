/** The Gallery tab: browse, select, relabel and delete the labelled images. */
import { connection, get } from '../shared/api-client.js';
import { confirm } from '../shared/dialog.js';
import { byId, find, setText } from '../shared/dom.js';
import { t, tn } from '../shared/language.js';
import { changeLabel, nowLabelled } from './change-label.js';
import { chooseLabel } from './choose-label.js';
import { frameChanges } from './frame-changes.js';
import { openFrameViewer } from './frame-viewer.js';
import { createFilter, frameItem } from './gallery-parts.js';
import { followGrid } from './grid-keys.js';
import { createSelection } from './selection.js';

/** @import { FramesPage } from '../../../calibration/views.ts' */
/** @import { Frame } from './gallery-parts.js' */
/** @import { Tools } from './tools.js' */

const pageSize = 60;
/** The agent returns no more at once. */
const maxPageSize = 200;

/** @param {Tools} tools */
export function createGallery({ overview, changes, toasts, announce }) {
  const element = byId('view-gallery');
  const list = byId('gallery-frames');
  /** @param {string} name */
  const tool = (name) => byId(`gallery-${name}`, HTMLButtonElement);
  /** @type {Frame[]} */
  let items = [];
  /** @type {string | null} */
  let next = null;
  /** @type {string | undefined} */
  let filter;
  /** Revision of the dataset that is shown. @type {string | undefined} */
  let revision;
  let requests = 0;
  const selection = createSelection(() => items.map(({ id }) => id));
  const labels = () => overview.value?.labels ?? [];

  const load = async ({ isMore = false } = {}) => {
    const own = ++requests;
    const limit = isMore ? pageSize : Math.min(maxPageSize, Math.max(pageSize, items.length));
    const query = new URLSearchParams({ limit: String(limit) });
    if (filter !== undefined) query.set('label', filter);
    if (isMore && next !== null) query.set('after', next);
    const asked = overview.value?.revision;
    try {
      /** @type {FramesPage} */
      const page = await get(`api/v1/dataset/frames?${query}`);
      if (own !== requests) return;
      items = isMore ? [...items, ...page.items] : page.items;
      next = page.next;
      revision = asked;
      draw(page.total);
    } catch (error) {
      toasts.error(error);
    }
  };

  const drawFrames = () => {
    const known = new Map(
      [...list.children].flatMap((one) => (one instanceof HTMLElement ? [[one.dataset.id, one]] : [])),
    );
    const shown = items.map((frame) => {
      const old = known.get(frame.id);
      const isSame = old?.dataset.label === frame.label && old.dataset.marked === String(frame.marked);
      return old && isSame ? old : frameItem(frame, overview.isGood(frame.label));
    });
    const hadFocus = list.contains(document.activeElement);
    list.replaceChildren(...shown);
    grid.settle();
    if (hadFocus) grid.focus();
  };
  const drawSelection = () => {
    for (const one of list.children) {
      if (!(one instanceof HTMLElement)) continue;
      one.setAttribute('aria-selected', String(selection.has(one.dataset.id ?? '')));
    }
    const count = selection.ids.length;
    setText(
      byId('gallery-count'),
      count === 0 ? t('None selected') : tn('{n} selected', '{n} selected', count),
    );
    for (const name of ['relabel', 'remove', 'none']) tool(name).disabled = count === 0;
    tool('open').disabled = items.length === 0;
    tool('all').disabled = items.length === 0;
    tool('label').hidden = filter === undefined || items.length === 0;
  };
  const drawUndo = () => {
    const { text, canUndo } = changes.undoable;
    tool('undo').disabled = !canUndo;
    setText(find(tool('undo'), 'small'), text);
  };
  /** @param {number} total */
  const draw = (total) => {
    drawFrames();
    drawSelection();
    tool('more').hidden = next === null;
    setText(tool('more'), t('More ({n} of {total} shown)', { n: items.length, total }));
    byId('gallery-empty').hidden = items.length > 0;
    byId('gallery-hint').hidden = items.length === 0;
    setText(
      byId('gallery-empty'),
      filter === undefined
        ? t('No part is labelled yet. Label parts in the Label tab.')
        : t('No frame is labelled {label}.', { label: filter }),
    );
  };
  /** @param {string | undefined} label */
  const showLabel = (label) => {
    filter = label;
    items = [];
    selection.clear();
    void load();
  };
  const filterRow = createFilter(byId('gallery-filter'), showLabel);
  const changeShownLabel = async () => {
    if (filter === undefined) return;
    const now = await changeLabel(filter, { overview, changes, toasts, announce });
    if (now === undefined) return;
    await overview.refresh();
    filterRow.choose(now === '' ? undefined : now);
  };

  /** Runs a change, reports it, and shows the new state. @param {() => Promise<unknown>} work @param {string} done */
  const run = async (work, done) => {
    try {
      await work();
      toasts.note(done);
      selection.clear();
    } catch (error) {
      toasts.error(error);
    }
    await load();
  };
  const relabel = async () => {
    const { ids } = selection;
    if (ids.length === 0) return;
    const title = tn('New label for this frame', 'New label for these {n} frames', ids.length);
    const label = await chooseLabel(title, labels());
    if (label === undefined) return;
    await run(() => changes.relabel(ids, label), nowLabelled(ids.length, label));
  };
  const remove = async () => {
    const { ids } = selection;
    if (ids.length === 0) return;
    const isSure = await confirm({
      title: tn('Delete {n} frame?', 'Delete {n} frames?', ids.length),
      text: t('The next training will not use them. Undo restores them.'),
      yes: t('Delete {n}', { n: ids.length }),
      no: t('Keep'),
      isDanger: true,
    });
    if (isSure)
      await run(() => changes.remove(ids), tn('{n} frame deleted', '{n} frames deleted', ids.length));
  };
  const undo = async () => {
    await changes.undo();
    await load();
  };
  /** @param {string | undefined} id */
  const open = async (id) => {
    if (items.length === 0) return;
    const at = items.findIndex((one) => one.id === id);
    await openFrameViewer([...items], Math.max(0, at), {
      labels: labels(),
      ...frameChanges({ changes, toasts, announce }),
    });
    await load();
  };

  /** @param {string} id @param {boolean} isRange */
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
  tool('more').addEventListener('click', () => load({ isMore: true }));
  tool('all').addEventListener('click', selectAll);
  tool('none').addEventListener('click', clear);
  tool('open').addEventListener('click', () => open(selection.ids.at(-1) ?? grid.activeId));
  tool('relabel').addEventListener('click', relabel);
  tool('remove').addEventListener('click', remove);
  tool('label').addEventListener('click', changeShownLabel);
  tool('undo').addEventListener('click', undo);
  changes.subscribe({ changed: drawUndo });
  overview.subscribe((value) => {
    filterRow.show(value);
    drawUndo();
    // Shows the changes of others, but not while the user selects images or has a dialog open.
    const isStale = revision !== undefined && revision !== value.revision;
    const isBusy = selection.ids.length > 0 || document.querySelector('dialog[open]');
    if (!element.hidden && isStale && !isBusy && connection.isUp) void load();
  });

  return {
    element,
    title: t('Gallery'),
    show: () => void load(),
    /** @param {KeyboardEvent} event */
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
