/** Step 1: finds a camera, or takes its address. */
import { post } from '../shared/api-client.js';
import { byId, h, setText } from '../shared/dom.js';
import { fromAgent, t, tn } from '../shared/language.js';

/** @import { FoundCamera, SearchAnswer, CameraStream } from '../../http/setup-tools.ts' */
/** @import { Step, StepDeps } from './setup.js' */

const searchMs = 20_000;
const another = '';
const kinds = {
  onvif: t('network camera'),
  folder: t('folder'),
  video: t('video device'),
  genicam: t('GenICam camera'),
};

/** The address of an ONVIF service whose streams are read after the log-in. */
let onvifService = '';

/** @param {StepDeps} deps @returns {Step} */
export function createCameraStep({ station, report }) {
  const url = byId('camera-url', HTMLInputElement);
  const choice = byId('camera-name', HTMLSelectElement);
  const newName = byId('camera-new-name', HTMLInputElement);
  const search = byId('search', HTMLButtonElement);

  const chosenName = () => choice.value || newName.value.trim();
  const showChosen = () => {
    byId('camera-new').hidden = choice.value !== another;
    url.value = station.at('cameras', choice.value, 'url') ?? '';
  };

  /** @param {FoundCamera} camera */
  function take({ kind, address, url: found }) {
    onvifService = kind === 'onvif' ? address : '';
    if (found !== null) url.value = found;
    else if (kind === 'onvif') url.value = `rtsp://${new URL(address).hostname}/`;
    setText(
      byId('search-state'),
      kind === 'onvif'
        ? t('Log in to this camera in the next step: its streams are listed there.')
        : t('The address is entered below.'),
    );
  }

  /** @param {SearchAnswer} answer */
  function show({ cameras, notes }) {
    setText(
      byId('search-state'),
      [tn('{n} source found.', '{n} sources found.', cameras.length), ...notes.map(fromAgent)].join(' '),
    );
    byId('found').replaceChildren(
      ...cameras.map((camera) =>
        h(
          'li',
          {},
          h(
            'button',
            {
              class: 'found-camera',
              type: 'button',
              disabled: camera.url === null && camera.kind !== 'onvif',
              onclick: () => take(camera),
            },
            h('strong', {}, camera.name),
            h('small', {}, `${kinds[camera.kind]} · ${camera.address}`),
            camera.note !== '' && h('small', {}, fromAgent(camera.note)),
          ),
        ),
      ),
    );
  }

  search.addEventListener('click', async () => {
    search.disabled = true;
    setText(byId('search-state'), t('Searching …'));
    try {
      show(await post('api/v1/setup/search', {}, searchMs));
    } catch (error) {
      setText(byId('search-state'), '');
      report(error);
    }
    search.disabled = false;
  });
  choice.addEventListener('change', showChosen);
  url.addEventListener('input', () => {
    onvifService = '';
  });

  return {
    id: 'camera',
    isDone: () => station.cameras.length > 0,
    show() {
      const names = station.cameras;
      byId('camera-choice').hidden = names.length === 0;
      choice.replaceChildren(
        ...names.map((name) => h('option', { value: name }, name)),
        h('option', { value: another }, t('another camera')),
      );
      choice.value = station.camera;
      showChosen();
    },
    async save() {
      const name = chosenName();
      const address = url.value.trim();
      const before = station.at('cameras', name);
      const changes = before
        ? [{ path: ['cameras', name, 'url'], value: address }]
        : [
            {
              path: ['cameras', name],
              value: { url: address, trigger: { kind: 'presence' }, vote: { frames: 3 } },
            },
          ];
      await station.change(changes);
      station.camera = name;
    },
  };
}

/** The streams of the chosen ONVIF camera; none if the address was entered by hand.
 * @param {string} user @param {string} password @returns {Promise<CameraStream[]>} */
export async function streamsOfChosen(user, password) {
  if (onvifService === '') return [];
  return post('api/v1/setup/streams', { address: onvifService, user, password }, searchMs);
}
