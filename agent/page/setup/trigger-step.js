/** Step 4: what makes a part. */
import { byId } from '../shared/dom.js';

/** @import { Step, StepDeps } from './setup.js' */

const defaults = { enter: 0.06, leave: 0.03, everyMs: 200, frames: 1 };

/** @param {StepDeps} deps @returns {Step} */
export function createTriggerStep({ station }) {
  const form = byId('trigger', HTMLFormElement);
  const enter = byId('trigger-enter', HTMLInputElement);
  const leave = byId('trigger-leave', HTMLInputElement);
  const every = byId('trigger-every', HTMLInputElement);
  const frames = byId('vote-frames', HTMLInputElement);

  const kind = () => String(new FormData(form).get('kind'));
  const showKind = () => {
    for (const one of form.querySelectorAll('[data-kind]')) {
      if (one instanceof HTMLElement) one.hidden = one.dataset.kind !== kind();
    }
  };
  form.addEventListener('change', showKind);

  /** @param {HTMLInputElement} field */
  const share = (field) => Math.round(field.valueAsNumber * 100) / 10_000;

  /** The trigger with the settings that this step does not show. */
  function trigger() {
    const before = station.at('cameras', station.camera, 'trigger') ?? {};
    const kept = before.kind === kind() ? before : {};
    if (kind() === 'presence') {
      return { ...kept, kind: 'presence', enter: share(enter), leave: share(leave) };
    }
    return kind() === 'continuous'
      ? { ...kept, kind: 'continuous', everyMs: every.valueAsNumber }
      : { ...kept, kind: 'command' };
  }

  return {
    id: 'trigger',
    isDone: () => station.at('cameras', station.camera, 'trigger') !== undefined,
    show() {
      const before = station.at('cameras', station.camera, 'trigger') ?? { kind: 'presence' };
      for (const one of form.querySelectorAll('input[name=kind]')) {
        if (one instanceof HTMLInputElement) one.checked = one.value === before.kind;
      }
      enter.value = String((before.enter ?? defaults.enter) * 100);
      leave.value = String((before.leave ?? defaults.leave) * 100);
      every.value = String(before.everyMs ?? defaults.everyMs);
      frames.value = String(station.at('cameras', station.camera, 'vote', 'frames') ?? defaults.frames);
      showKind();
    },
    async save() {
      if (station.camera === '') return;
      await station.change([
        { path: ['cameras', station.camera, 'trigger'], value: trigger() },
        { path: ['cameras', station.camera, 'vote', 'frames'], value: frames.valueAsNumber },
      ]);
    },
  };
}
