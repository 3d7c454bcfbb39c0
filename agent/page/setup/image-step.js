/** Step 2: logs in to the camera and shows its image. */
import { post } from '../shared/api-client.js';
import { byId, h, setText } from '../shared/dom.js';
import { t } from '../shared/language.js';
import { streamsOfChosen } from './camera-step.js';
import { showFindings } from './findings.js';

/** @import { CameraAnswer, CameraStream } from '../../http/setup-tools.ts' */
/** @import { Step, StepDeps } from './setup.js' */

const checkMs = 60_000;

/** @param {StepDeps} deps @returns {Step} */
export function createImageStep({ station, report }) {
  const user = byId('camera-user', HTMLInputElement);
  const password = byId('camera-password', HTMLInputElement);
  const check = byId('check-camera', HTMLButtonElement);
  const image = byId('camera-image', HTMLImageElement);
  /** @returns {string} */
  const storedUrl = () => station.at('cameras', station.camera, 'url') ?? '';
  let address = '';

  /** The address with the user that was entered. */
  const addressWithUser = () => {
    const name = user.value.trim();
    if (!/^rtsps?:/.test(address)) return address;
    const plain = address.replace(/^(rtsps?:\/\/)[^@/]*@/, '$1');
    return name === '' ? plain : plain.replace('://', `://${encodeURIComponent(name)}@`);
  };

  /** @param {readonly CameraStream[]} streams */
  function offer(streams) {
    const best = streams[0];
    if (!best) return;
    address = best.url;
    if (streams.length === 1) return;
    const select = h(
      'select',
      { id: 'camera-stream' },
      ...streams.map(({ name, url, codec, width, height }) =>
        h('option', { value: url }, `${name}: ${width} × ${height} ${codec}`),
      ),
    );
    select.addEventListener('change', () => {
      address = select.value;
    });
    byId('camera-findings').before(h('label', { class: 'field' }, h('span', {}, t('Stream')), select));
  }

  check.addEventListener('click', async () => {
    check.disabled = true;
    setText(byId('camera-state'), t('Reading the camera …'));
    byId('camera-findings').replaceChildren();
    try {
      if (!document.getElementById('camera-stream')) {
        offer(await streamsOfChosen(user.value.trim(), password.value));
      }
      const request = {
        url: addressWithUser(),
        password: password.value || undefined,
        stored: station.camera,
      };
      /** @type {CameraAnswer} */
      const answer = await post('api/v1/setup/camera', request, checkMs);
      showFindings(byId('camera-findings'), answer.findings);
      image.hidden = !answer.hasImage;
      if (answer.hasImage) image.src = `api/v1/setup/image.jpg?at=${performance.now()}`;
    } catch (error) {
      report(error);
    }
    setText(byId('camera-state'), '');
    check.disabled = false;
  });

  return {
    id: 'image',
    isDone: () => !image.hidden,
    show() {
      if (address === '' || !address.includes(hostOf(storedUrl()))) {
        document.getElementById('camera-stream')?.closest('label')?.remove();
        address = storedUrl();
      }
      user.value ||= userOf(storedUrl());
      const hasPassword = station.at('cameras', station.camera, 'passwordFile') !== undefined;
      password.placeholder = hasPassword ? t('stored: leave empty to keep it') : '';
      const isCamera = /^rtsps?:/.test(storedUrl());
      for (const field of [user, password]) field.disabled = !isCamera;
    },
    async save() {
      if (station.camera === '') return;
      const path = ['cameras', station.camera];
      const secrets =
        password.value === '' ? [] : [{ path: [...path, 'passwordFile'], value: password.value }];
      await station.change([{ path: [...path, 'url'], value: addressWithUser() }], secrets);
      password.value = '';
    },
  };
}

/** @param {string} url */
const userOf = (url) => decodeURIComponent(/^rtsps?:\/\/([^@/:]*)@/.exec(url)?.[1] ?? '');
/** @param {string} url */
const hostOf = (url) => /^\w+:\/\/(?:[^@/]*@)?([^/:]+)/.exec(url)?.[1] ?? url;
