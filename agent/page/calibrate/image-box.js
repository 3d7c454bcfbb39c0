/** A part's picture, and in its place on demand where the head looks. */
import { ApiError, fetchPicture } from '../shared/api-client.js';
import { h } from '../shared/dom.js';

/** @param {HTMLElement} frame @param {HTMLElement} [button] pressed while the heat map is shown */
export function createPictureBox(frame, button) {
  let shown;
  let isWhy = false;
  /** Counts up, so that what comes late is not shown over something newer. */
  let turn = 0;

  const setWhy = (value) => {
    isWhy = value;
    button?.setAttribute('aria-pressed', String(value));
    frame.classList.toggle('is-why', value);
  };
  const note = (text) => h('p', { class: 'look-note', role: 'status' }, text);
  const enableButton = (isOn) => {
    if (button) button.disabled = !isOn;
  };

  return {
    /** The picture that is in sight now, if any: nobody may label what they have not seen. */
    get image() {
      return shown?.image;
    },
    /** @param {HTMLImageElement} image @param {string} alt @param {string} whyPath */
    show(image, alt, whyPath) {
      if (shown?.image === image) return;
      turn++;
      image.alt = alt;
      shown = { image, alt, whyPath };
      setWhy(false);
      enableButton(true);
      frame.replaceChildren(image);
    },
    /** No picture, but words. @param {...(Node | string)} words */
    say(...words) {
      turn++;
      shown = undefined;
      setWhy(false);
      enableButton(false);
      frame.replaceChildren(h('div', { class: 'look-none' }, ...words));
    },
    async toggleWhy() {
      if (!shown) return;
      const mine = ++turn;
      const { image, alt, whyPath } = shown;
      if (isWhy) {
        setWhy(false);
        frame.replaceChildren(image);
        return;
      }
      setWhy(true);
      if (!shown.why) frame.replaceChildren(image, note('Looking where the head looks …'));
      try {
        shown.why ??= await fetchPicture(whyPath);
        if (mine !== turn) return;
        shown.why.alt = `Heat map: where the head sees its label. ${alt}`;
        frame.replaceChildren(shown.why, note('Warm colours: where the head sees its label'));
      } catch (error) {
        if (mine !== turn) return;
        setWhy(false);
        frame.replaceChildren(image, note(error instanceof ApiError ? error.words : String(error)));
      }
    },
  };
}
