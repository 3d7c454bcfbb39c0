import type { SetCondition } from '../camera/condition.ts';

/** A part in view, or an empty background in doubt, for longer blinds the camera, ms of capture time. */
const BLIND_MS = 30_000;
/** This many changes of all the light within the same time, and no part: it is parts that change it. */
const LIGHT_STEPS = 8;

/** What a camera sees of its parts at one frame. */
export interface Sighting {
  /** When the frame was captured, ms by `monotonicMs`. */
  readonly at: number;
  readonly empty: boolean;
  /** The background is known to be the empty region. */
  readonly confirmed: boolean;
  /** All of the image became brighter or darker at once, so often since the start. */
  readonly lightSteps: number;
  /** The part in view, and whether it was given. */
  readonly part: { readonly enteredAt: number; readonly given: boolean } | undefined;
}

/** Watches whether parts can be found at all; else the camera is `blind` until the region is seen empty again. */
export class Sight {
  readonly #condition: SetCondition;
  #text = '';
  /** Since when the region differs from a background that was never confirmed. */
  #doubtfulSince: number | undefined;
  #steps = { at: 0, count: 0 };

  constructor(condition: SetCondition) {
    this.#condition = condition;
  }

  see({ at, empty, confirmed, lightSteps, part }: Sighting): void {
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
const neverEmpty = `no part is found: the region has changed for ${seconds} s, but was never seen empty twice; keep it empty for a moment, let one part pass, and check that the region is empty between two parts`;
const lightJumps = `no part is found, but the light in the region changed ${LIGHT_STEPS} times within ${seconds} s: if parts pass, enlarge the region so that its rim stays visible`;

function longInView(given: boolean): string {
  return given
    ? `a part has been in view for ${seconds} s; nothing else is judged until it leaves`
    : `a part has been in view for ${seconds} s without being seen whole and at rest; it is judged when it leaves: is the region too small, or was the camera moved?`;
}
