import type { Image } from '../../../models/image.ts';
import type { FrameMessage, FromChild } from './messages.ts';
import { pixelDescriptor, pixelSlots, writePixels } from './pixels.ts';

/** A frame with its pixels, not delivered yet. */
export interface CutFrame extends Omit<FrameMessage, 'kind' | 'slot' | 'image' | 'preview'> {
  readonly image: Image;
  readonly preview?: Image;
}

/**
 * Sends frames to the agent, at most as many unacknowledged ones as there are slots. Of further frames only the newest
 * waits; a replaced one is lost and counted.
 */
export class Outlet {
  readonly #send: (message: FromChild) => void;
  readonly #onBusy: () => void;
  #unacknowledged = 0;
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
    this.#unacknowledged = Math.max(0, this.#unacknowledged - 1);
    this.#flush();
  }

  #flush(): void {
    if (!this.#waiting || this.#unacknowledged >= pixelSlots) return;
    const frame = this.#waiting;
    this.#waiting = undefined;
    this.#unacknowledged++;
    // Frames are taken in order, so a slot is free when its turn comes again.
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
