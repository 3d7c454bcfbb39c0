/** The settings of the station as the guide shows and changes them. */
import { get, patch } from '../shared/api-client.js';

/** @import { SettingsView, SettingsAnswer } from '../../settings/messages.ts' */
/** @typedef {{path: string[], value: unknown}} Change */

const chosenCamera = 'qc-setup-camera';

export class Station {
  /** @type {SettingsView | undefined} */
  #view;

  async load() {
    this.#view = /** @type {SettingsView} */ (await get('api/v1/config'));
  }

  get view() {
    if (!this.#view) throw new Error('the settings are not loaded');
    return this.#view;
  }

  /**
   * Changes nothing if all values are as before.
   * @param {Change[]} changes
   * @param {{path: string[], value: string}[]} [secrets]
   * @returns {Promise<SettingsAnswer | undefined>}
   */
  async change(changes, secrets = []) {
    const news = changes.filter(({ path, value }) => !isEqual(this.at(...path) ?? null, value));
    if (news.length === 0 && secrets.length === 0) return undefined;
    const answer = await patch('api/v1/config', { hash: this.view.hash, changes: news, secrets });
    await this.load();
    return answer;
  }

  /** @param {...string} path @returns {any} the value; undefined if the key is absent */
  at(...path) {
    /** @type {any} */
    let value = this.view.values;
    for (const key of path) value = value?.[key];
    return value;
  }

  /** Names of the cameras. */
  get cameras() {
    return Object.keys(this.at('cameras') ?? {});
  }

  /** The camera that the guide is about. */
  get camera() {
    const chosen = sessionStorage.getItem(chosenCamera) ?? '';
    return this.cameras.includes(chosen) ? chosen : (this.cameras[0] ?? '');
  }

  set camera(name) {
    sessionStorage.setItem(chosenCamera, name);
  }
}

/** @param {unknown} a @param {unknown} b */
function isEqual(a, b) {
  return JSON.stringify(a) === JSON.stringify(b);
}
