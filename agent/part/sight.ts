import type { SetCondition } from '../camera/condition.ts';

/** If a part is in view, or the background is unconfirmed, for longer, the camera is `blind`, ms of capture time. */
const BLIND_MS = 30_000;
/** If the light changes this often within the same time without a part, parts are the cause. */
const LIGHT_STEPS = 8;

/** State of part detection at one frame. */
export interface Sighting {
  /** When the frame was captured, ms by `monotonicMs`. */
  readonly at: number;
  readonly empty: boolean;
  /** Whether the background is confirmed as the empty region. */
  readonly confirmed: boolean;
  /** How often the whole image became brighter or darker at once since the start. */
  readonly lightSteps: number;
  /** The part in view, and whether it was delivered. */
  readonly part: { readonly enteredAt: number; readonly given: boolean } | undefined;
}

/** Checks whether parts can be detected; otherwise the camera is `blind` until the region is seen empty again. */
export class Sight {
  readonly #condition: SetCondition;
  #text = '';
  /** Since when the region differs from a background that was never confirmed. */
  #doubtfulSince: number | undefined;
  #steps = { at: 0, count: 0 };

  constructor(condition: SetCondition) {
    this.#condition = condition;
  }

  observe({ at, empty, confirmed, lightSteps, part }: Sighting): void {
    if (confirmed) this.#doubtfulSince = undefined;
    else if (!empty) this.#doubtfulSince ??= at;
    if (part || lightSteps < this.#steps.count || at - this.#steps.at > BLIND_MS)
      this.#steps = { at, count: lightSteps };
    if (part && at - part.enteredAt >= BLIND_MS) this.#set(longInView(part.given));
    else if (this.#doubtfulSince !== undefined && at - this.#doubtfulSince >= BLIND_MS) this.#set(neverEmpty);
    else if (lightSteps - this.#steps.count >= LIGHT_STEPS) this.#set(lightJumps);
    else if (empty && confirmed && at > this.#steps.at) this.#set('');
  }

  #set(text: string): void {
    if (text === this.#text) return;
    this.#text = text;
    this.#condition('blind', text);
  }
}

const seconds = BLIND_MS / 1_000;
const neverEmpty = `no part is detected: the region has changed for ${seconds} s, but was never seen empty twice; keep it empty for a moment, let one part pass, and check that the region is empty between two parts`;
const lightJumps = `no part is detected, but the light in the region changed ${LIGHT_STEPS} times within ${seconds} s: if parts pass, enlarge the region so that its border stays visible`;

function longInView(given: boolean): string {
  return given
    ? `a part has been in view for ${seconds} s; nothing else is judged until it leaves`
    : `a part has been in view for ${seconds} s but was never completely visible and at rest; it is judged when it leaves: is the region too small, or was the camera moved?`;
}
