/** Step 7: names the station, shows what is set, and starts the inspection. */
import { post } from '../shared/api-client.js';
import { byId, h, setText } from '../shared/dom.js';
import { fromAgent, t, tn } from '../shared/language.js';

/** @import { Step, StepDeps } from './setup.js' */

const pollMs = 500;
/** Loading a model takes seconds; building an engine of TensorRT takes minutes. */
const patienceMs = 300_000;

/** @param {StepDeps} deps @returns {Step} */
export function createFinishStep({ station, mode }) {
  const name = byId('station', HTMLInputElement);

  /** @returns {[string, string][]} */
  function facts() {
    const camera = station.at('cameras', station.camera) ?? {};
    const { x = 0, y = 0, width = 1, height = 1 } = camera.region ?? {};
    const percent = (/** @type {number} */ share) => Math.round(share * 100);
    const kinds = {
      presence: t('a part enters the region'),
      command: t('a PLC asks for it'),
      continuous: t('a fixed interval'),
    };
    const kind = /** @type {keyof typeof kinds} */ (camera.trigger?.kind ?? 'continuous');
    const missing = t('missing');
    return [
      [t('Camera'), station.camera === '' ? missing : `${station.camera}: ${camera.url ?? missing}`],
      [
        t('Region'),
        t('left {x} %, top {y} %, width {width} %, height {height} %', {
          x: percent(x),
          y: percent(y),
          width: percent(width),
          height: percent(height),
        }),
      ],
      [t('Trigger'), kinds[kind]],
      [t('Good parts'), (station.at('labels', 'good') ?? ['good']).join(', ')],
      [t('Broker'), station.at('mqtt', 'url') ?? ''],
      [t('File'), station.view.file],
    ];
  }

  /** What must be done before the inspection runs with these settings. */
  function stateText() {
    const { pending, fault } = station.view;
    if (mode === 'first')
      return fault === '' ? '' : t('Something is missing: {what}', { what: fromAgent(fault) });
    if (pending.length === 0) return t('All settings are in use.');
    return tn(
      '{n} setting takes effect after a restart: {names}',
      '{n} settings take effect after a restart: {names}',
      pending.length,
      { names: pending.join(', ') },
    );
  }

  async function untilServed() {
    const giveUpAt = performance.now() + patienceMs;
    while (performance.now() < giveUpAt) {
      await new Promise((resolve) => setTimeout(resolve, pollMs));
      const response = await fetch('api/v1/status').catch(() => undefined);
      // Without a session the page of the line opens the log-in.
      if (response?.ok || response?.status === 401) return;
    }
  }

  return {
    id: 'finish',
    isDone: () => false,
    show() {
      name.value = station.at('station') ?? '';
      byId('summary').replaceChildren(
        ...facts().flatMap(([what, value]) => [h('dt', {}, what), h('dd', { translate: 'no' }, value)]),
      );
      setText(byId('finish-state'), stateText());
    },
    nextText() {
      if (mode === 'first') return t('Write the file and start inspecting');
      return station.view.pending.length > 0 ? t('Restart now') : t('To the line');
    },
    async save() {
      await station.change([{ path: ['station'], value: name.value.trim() }]);
      if (mode === 'running' && station.view.pending.length === 0) return location.assign('./');
      await post(mode === 'first' ? 'api/v1/setup/finish' : 'api/v1/restart');
      setText(byId('finish-state'), t('Starting: the model is loaded …'));
      await untilServed();
      location.assign('./');
    },
  };
}
