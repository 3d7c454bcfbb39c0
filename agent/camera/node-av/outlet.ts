import type { Image } from '../../../models/image.ts';
import type { FrameMessage, FromChild } from './messages.ts';
import { pixelDescriptor, pixelSlots, writePixels } from './pixels.ts';

/** A frame with its pixels, not handed over yet. */
export interface CutFrame extends Omit<FrameMessage, 'kind' | 'slot' | 'image' | 'preview'> {
  readonly image: Image;
  readonly preview?: Image;
}

/**
 * Sends frames to the agent, at most as many unacknowledged as there are slots. Beyond that the newest one waits, and one that is
 * replaced while it waits is lost and counted.
 */
export class Outlet {
  readonly #send: (message: FromChild) => void;
  readonly #onBusy: () => void;
  #underWay = 0;
  #waiting: CutFrame | undefined;
  #sent = 0;

  constructor(send: (message: FromChild) => void, onBusy: () => void) {
    this.#send = send;
    this.#onBusy = onBusy;
  }

  put(frame: CutFrame): void {
    if (this.#waiting) this.#onBusy();
    this.#waiting = frame;
    this.#flush();
  }

  /** The agent took one. */
  taken(): void {
    this.#underWay = Math.max(0, this.#underWay - 1);
    this.#flush();
  }

  #flush(): void {
    if (!this.#waiting || this.#underWay >= pixelSlots) return;
    const frame = this.#waiting;
    this.#waiting = undefined;
    this.#underWay++;
    // They are taken in order: by the time a slot comes round again it is free.
    const slot = this.#sent++ % pixelSlots;
    const { image, preview, ...facts } = frame;
    writePixels(pixelDescriptor, slot, preview ? [image, preview] : [image]);
    this.#send({
      kind: 'frame',
      ...facts,
      slot,
      image: sizeOf(image),
      ...(preview && { preview: sizeOf(preview) }),
    });
  }
}

const sizeOf = ({ width, height }: Image) => ({ width, height });
