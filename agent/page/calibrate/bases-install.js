/** Installs a base on the Bases tab: pulled from a hub by name or address, or uploaded. */
import { get, post, problemText, upload } from '../shared/api-client.js';
import { byId, h, setText } from '../shared/dom.js';
import { capital, listed, numberOf, startedText } from '../shared/format.js';
import { fromAgent, t } from '../shared/language.js';

/** @import { CatalogueView, InstallingView } from '../../../calibration/install/views.ts' */
/** @import { Tools } from './tools.js' */

const intervalMs = 1_000;

/** @param {Tools} tools @param {() => void} onInstalled */
export function createInstalling({ toasts, announce }, onInstalled) {
  const pullForm = byId('install-pull', HTMLFormElement);
  const fileForm = byId('install-file', HTMLFormElement);
  const address = byId('install-address', HTMLInputElement);
  /** @type {CatalogueView} */
  let catalogue = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let isWatched = false;

  const load = async () => {
    clearTimeout(timer);
    try {
      draw(await get('api/v1/bases/pull'));
    } catch (error) {
      toasts.error(error);
    }
  };
  const offer = async () => {
    try {
      catalogue = await get('api/v1/bases/catalogue');
    } catch (error) {
      toasts.error(error);
    }
    const options = catalogue.map(({ name, architecture, megabytes }) =>
      h('option', { value: name }, listed(architecture, t('{n} MB', { n: Math.round(megabytes) }))),
    );
    byId('install-catalogue').replaceChildren(...options);
    drawFacts();
  };
  const drawFacts = () => setText(byId('install-facts'), factsOf(catalogue, address.value.trim()));
  /** @param {() => Promise<unknown>} work @param {string} text */
  const attempt = async (work, text) => {
    isWatched = true;
    for (const form of [pullForm, fileForm]) for (const button of buttonsOf(form)) button.disabled = true;
    try {
      await work();
      announce(text);
    } catch (error) {
      toasts.error(error);
    }
    await load();
  };
  address.addEventListener('input', drawFacts);
  pullForm.addEventListener('submit', (event) => {
    event.preventDefault();
    const acceptLicence = new FormData(pullForm).has('acceptLicence');
    const wanted = address.value.trim();
    void attempt(
      () => post('api/v1/bases/pull', { address: wanted, acceptLicence }),
      t('The download has started.'),
    );
  });
  fileForm.addEventListener('submit', (event) => {
    event.preventDefault();
    const data = new FormData(fileForm);
    const file = data.get('file');
    if (!(file instanceof File)) return;
    const query = new URLSearchParams({ file: file.name.replace(/[^\w.+-]+/g, '-') });
    const licence = String(data.get('licence') ?? '').trim();
    if (licence !== '') query.set('licence', licence);
    if (data.has('acceptLicence')) query.set('acceptLicence', 'true');
    // The server shows how many bytes have arrived.
    timer = setTimeout(load, intervalMs);
    void attempt(() => upload(`api/v1/bases/import?${query}`, file), t('The file has arrived.'));
  });
  byId('install-cancel').addEventListener('click', () =>
    attempt(() => post('api/v1/bases/pull/cancel'), t('The installation was cancelled.')),
  );

  /** @param {InstallingView} installing */
  const draw = ({ state, step, done, total, startedAt, by, error, name, notices }) => {
    const isRunning = state === 'running';
    byId('install-progress').hidden = !isRunning;
    for (const form of [pullForm, fileForm])
      for (const button of buttonsOf(form)) button.disabled = isRunning;
    const bar = byId('install-bar', HTMLProgressElement);
    if (total > 1) {
      bar.max = total;
      bar.value = done;
    } else bar.removeAttribute('value');
    const mb = (/** @type {number} */ bytes) => numberOf(bytes / 1e6, 1);
    const now = capital(fromAgent(step));
    setText(
      byId('install-step'),
      total > 1 ? t('{step} ({done} of {total} MB)', { step: now, done: mb(done), total: mb(total) }) : now,
    );
    setText(byId('install-since'), startedText(by, startedAt));
    const outcome = byId('install-outcome');
    outcome.hidden = isRunning || state === 'idle';
    outcome.dataset.state = state;
    const ends = {
      done: t('{name} is installed. Compare it, or switch to it.', { name: name ?? '' }),
      failed: error ? t('No base was installed: {problem}', { problem: problemText(error) }) : '',
      cancelled: t('The installation was cancelled. A download is continued by the next one.'),
    };
    setText(outcome, ends[/** @type {keyof typeof ends} */ (state)] ?? '');
    byId('install-notices').replaceChildren(...notices.map((text) => h('li', {}, fromAgent(text))));
    if (isRunning) {
      isWatched = true;
      timer = setTimeout(load, intervalMs);
    } else if (isWatched) {
      isWatched = false;
      if (state === 'done') {
        onInstalled();
        void offer();
      }
    }
  };

  return {
    show() {
      void offer();
      void load();
    },
  };
}

/** @param {HTMLFormElement} form */
const buttonsOf = (form) => form.querySelectorAll('button');

/** @param {CatalogueView} catalogue @param {string} name */
function factsOf(catalogue, name) {
  const found = catalogue.find((one) => one.name === name || one.address === name);
  if (!found)
    return t('{n} bases are offered by name. Other addresses: hf:owner/name, https://…', {
      n: catalogue.length,
    });
  const { architecture, megabytes, licence, commercial, checkedBy, remarks, installed } = found;
  return listed(
    installed ? t('installed already') : architecture,
    t('{n} MB', { n: Math.round(megabytes) }),
    commercial
      ? t('licence {name}', { name: licence })
      : t('licence {name}, which excludes commercial use', { name: licence }),
    t('checked by: {name}', { name: checkedBy }),
    remarks,
  );
}
