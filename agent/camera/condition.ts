/**
 * A fault of a camera that still delivers frames. The kinds are the values of a metric label, so their number is fixed. The
 * code that sets a condition also clears it. A lost connection does not clear it, because a fault such as a frozen image
 * outlives the connection.
 */
export const cameraConditions = [
  /** Frames arrive long after their capture. */
  'late',
  /** The timestamps of the stream are wrong. */
  'clock',
  /** The image does not change. */
  'frozen',
  /** Packets were lost: no intact image until the next key frame. */
  'damaged',
  /** The video is interlaced: half of its rows are used. */
  'interlaced',
  /** Data arrives, but no key frame to start decoding with. */
  'no-key-frame',
  /** Parts pass the camera without being detected by the trigger. */
  'blind',
] as const;

export type CameraCondition = (typeof cameraConditions)[number];

/** With one of these, the camera does not show the current part: it is not ready, and triggers are refused. */
const blocking: ReadonlySet<CameraCondition> = new Set([
  'late',
  'frozen',
  'damaged',
  'no-key-frame',
  'blind',
]);

/** Sets a condition, described for the operator; an empty text clears it. */
export type SetCondition = (condition: CameraCondition, text: string) => void;

/** The conditions of one camera. */
export class Conditions {
  readonly #texts = new Map<CameraCondition, string>();

  /** @returns whether anything changed */
  set(condition: CameraCondition, text: string): boolean {
    if ((this.#texts.get(condition) ?? '') === text) return false;
    if (text) this.#texts.set(condition, text);
    else this.#texts.delete(condition);
    return true;
  }

  /** Texts of the conditions that block the camera; empty if there are none. */
  get blocking(): string {
    return this.#join((condition) => blocking.has(condition));
  }

  /** Texts of the other conditions. */
  get remarks(): string {
    return this.#join((condition) => !blocking.has(condition));
  }

  #join(wanted: (condition: CameraCondition) => boolean): string {
    return [...this.#texts]
      .filter(([condition]) => wanted(condition))
      .map(([, text]) => text)
      .join('; ');
  }
}
