/** The region and the thresholds as fields: what is saved, what is being changed, and how to save it. */
import { ApiError, errorText, get, patch } from '../shared/api-client.js';
import { byId, setText } from '../shared/dom.js';
import { t } from '../shared/language.js';
import { minSide } from './region-box.js';

/** @import { Region } from './region-box.js' */

/** @typedef {{enter: number, leave: number}} Thresholds */
/**
 * @typedef {object} InForce
 * @property {string} camera
 * @property {Region} region
 * @property {string} regionSetting
 * @property {Thresholds | undefined} thresholds undefined if the trigger has none
 */

/** A state that was sent before the change may arrive after it, ms. */
const settlingMs = 1_500;

/** Four digits: less than a pixel of a large image. @param {number} value */
const rounded = (value) => Math.round(value * 10_000) / 10_000;

/** @param {Region} region @returns {Region} */
const roundedRegion = ({ x, y, width, height }) => {
  const [left, top] = [rounded(x), rounded(y)];
  return {
    x: left,
    y: top,
    width: rounded(Math.min(width, 1 - left)),
    height: rounded(Math.min(height, 1 - top)),
  };
};

/** @param {unknown} a @param {unknown} b */
const isSame = (a, b) => JSON.stringify(a) === JSON.stringify(b);

/** @param {{onRegion: (region: Region) => void}} handlers */
export function createSettingsForm({ onRegion }) {
  const form = byId('settings', HTMLFormElement);
  const save = byId('save', HTMLButtonElement);
  const reset = byId('reset', HTMLButtonElement);
  /** @type {InForce | undefined} */
  let inForce;
  /** @type {Region | undefined} */
  let region;
  /** @type {Thresholds | undefined} */
  let thresholds;
  let isSaving = false;
  let savedAt = Number.NEGATIVE_INFINITY;

  /** @param {string} name */
  const field = (name) => /** @type {HTMLInputElement} */ (form.elements.namedItem(name));
  /** @param {string} name @param {number} share */
  const write = (name, share) => {
    if (document.activeElement === field(name)) return;
    field(name).value = String(Math.round(share * 1000) / 10);
  };
  /** @param {string} text */
  const showProblem = (text) => {
    setText(byId('problem'), text);
    byId('problem').hidden = text === '';
  };
  const isRegionChanged = () =>
    region !== undefined && !isSame(region, inForce && roundedRegion(inForce.region));
  const isThresholdChanged = () => thresholds !== undefined && !isSame(thresholds, inForce?.thresholds);
  const draw = () => {
    if (!inForce || !region) return;
    for (const name of /** @type {const} */ (['x', 'y', 'width', 'height'])) write(name, region[name]);
    if (thresholds) {
      write('enter', thresholds.enter);
      write('leave', thresholds.leave);
    }
    byId('thresholds').hidden = !inForce.thresholds;
    const [, recipe = ''] = /^recipes\.([^.]+)/.exec(inForce.regionSetting) ?? [];
    byId('recipe').hidden = recipe === '';
    setText(
      byId('recipe'),
      recipe && t('The recipe {recipe} has its own region: you change that one.', { recipe }),
    );
    const isWrong = thresholds !== undefined && thresholds.leave >= thresholds.enter;
    if (isWrong) showProblem(t('“Has left below” must be less than “Arrives above”.'));
    const isChanged = isRegionChanged() || isThresholdChanged();
    save.disabled = !isChanged || isWrong || isSaving;
    reset.disabled = !isChanged || isSaving;
    setText(byId('yaml-text'), yamlOf(inForce, region, thresholds));
  };
  /** @param {Region} next */
  const changeRegion = (next) => {
    region = roundedRegion(next);
    setText(byId('done'), '');
    showProblem('');
    draw();
  };

  form.addEventListener('input', (event) => {
    if (!(event.target instanceof HTMLInputElement) || !region || event.target.type !== 'number') return;
    const { name, valueAsNumber } = event.target;
    if (Number.isNaN(valueAsNumber)) return;
    const share = valueAsNumber / 100;
    if (name === 'enter' || name === 'leave') {
      if (thresholds) thresholds = { ...thresholds, [name]: rounded(Math.min(1, Math.max(0, share))) };
      setText(byId('done'), '');
      showProblem('');
      draw();
      return;
    }
    const next = { ...region, [name]: share };
    next.x = Math.min(Math.max(0, next.x), 1 - minSide);
    next.y = Math.min(Math.max(0, next.y), 1 - minSide);
    next.width = Math.min(Math.max(minSide, next.width), 1 - next.x);
    next.height = Math.min(Math.max(minSide, next.height), 1 - next.y);
    changeRegion(next);
    onRegion(next);
  });
  form.addEventListener('change', draw);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    void store();
  });
  reset.addEventListener('click', () => {
    if (!inForce) return;
    region = roundedRegion(inForce.region);
    thresholds = inForce.thresholds;
    onRegion(inForce.region);
    showProblem('');
    draw();
  });
  byId('whole').addEventListener('click', () => {
    const whole = { x: 0, y: 0, width: 1, height: 1 };
    changeRegion(whole);
    onRegion(whole);
  });
  byId('copy').addEventListener('click', async () => {
    const text = byId('yaml-text').textContent ?? '';
    const isCopied = await navigator.clipboard?.writeText(text).then(
      () => true,
      () => false,
    );
    // Without HTTPS browsers have no clipboard: the text is selected, so that Ctrl+C copies it.
    if (!isCopied) getSelection()?.selectAllChildren(byId('yaml-text'));
    setText(byId('done'), isCopied ? t('Copied.') : t('Press Ctrl+C to copy the selected lines.'));
  });

  async function store() {
    if (!inForce || !region || save.disabled) return;
    const changes = [
      ...(isRegionChanged() ? [{ path: inForce.regionSetting.split('.'), value: region }] : []),
      ...(isThresholdChanged() && thresholds
        ? /** @type {const} */ (['enter', 'leave']).map((name) => ({
            path: ['cameras', inForce?.camera ?? '', 'trigger', name],
            value: thresholds?.[name],
          }))
        : []),
    ];
    isSaving = true;
    draw();
    try {
      const { hash } = await get('api/v1/config');
      const answer = await patch('api/v1/config', { hash, changes });
      inForce = { ...inForce, region, thresholds };
      savedAt = performance.now();
      setText(
        byId('done'),
        answer.changes.some((/** @type {{applies: string}} */ { applies }) => applies === 'restart')
          ? t('Saved. Restart the agent to use it.')
          : t('Saved. The agent uses it now.'),
      );
      showProblem('');
    } catch (error) {
      const isMissing = error instanceof ApiError && error.code === 'http-not-found';
      showProblem(
        isMissing
          ? t(
              'This agent does not change its settings over HTTP, as in the demo: copy the lines into its configuration file and restart it.',
            )
          : errorText(error),
      );
      byId('yaml', HTMLDetailsElement).open = true;
    } finally {
      isSaving = false;
      draw();
    }
  }

  return {
    /** The region changed by the rectangle. */
    changeRegion,
    /** Thresholds as drawn in the chart. */
    get thresholds() {
      return thresholds;
    },
    /** Whether the region is being changed. */
    get isRegionChanged() {
      return isRegionChanged();
    },
    /** What the agent uses now. Values that are being changed stay. @param {InForce} next */
    showInForce(next) {
      if (inForce?.camera === next.camera && performance.now() - savedAt < settlingMs) return;
      const wasChanged = inForce?.camera === next.camera && (isRegionChanged() || isThresholdChanged());
      inForce = next;
      if (!wasChanged && !isSaving) {
        const shown = roundedRegion(next.region);
        if (!isSame(shown, region)) onRegion(next.region);
        region = shown;
        thresholds = next.thresholds;
      }
      thresholds ??= next.thresholds;
      draw();
    },
  };
}

/** @param {InForce} inForce @param {Region} region @param {Thresholds | undefined} thresholds */
function yamlOf({ camera, regionSetting }, { x, y, width, height }, thresholds) {
  const lines = regionSetting.split('.').map((key, depth) => `${'  '.repeat(depth)}${key}:`);
  lines[lines.length - 1] += ` { x: ${x}, y: ${y}, width: ${width}, height: ${height} }`;
  if (thresholds) {
    if (regionSetting.startsWith('recipes')) lines.push('cameras:', `  ${camera}:`);
    lines.push(`    trigger: { kind: presence, enter: ${thresholds.enter}, leave: ${thresholds.leave} }`);
  }
  return lines.join('\n');
}
