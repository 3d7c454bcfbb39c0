/** What a trigger sees in each frame, for people who aim a camera or set its thresholds. */
import type { Foreground } from './background.ts';

/** What the trigger `presence` sees in one frame. */
export interface PresenceLook {
  /** When the frame was captured, by `monotonicMs`. */
  readonly at: number;
  /** `learning`: the empty background is not known yet; `dark`: the light is off. */
  readonly state: 'learning' | 'dark' | 'empty' | 'part';
  /** Share of the region that differs from the empty background; absent while there is nothing to compare. */
  readonly share?: number;
  readonly enter: number;
  readonly leave: number;
  /** Whether the background is confirmed as the empty region. */
  readonly confirmed: boolean;
  /** Pixels that differ, in a small grid over the region. */
  readonly mask?: Pick<Foreground, 'width' | 'height' | 'mask'>;
}

export interface PartsWatcher {
  /** Called for every frame of the trigger `presence`. */
  looked(look: PresenceLook): void;
  /** A part was found. */
  found(partId: string): void;
}

/** The watchers of one camera. Without any, nothing is computed for them. */
export class PartsWatchers {
  readonly #all = new Set<PartsWatcher>();

  add(watcher: PartsWatcher): Disposable {
    this.#all.add(watcher);
    return { [Symbol.dispose]: () => void this.#all.delete(watcher) };
  }

  looked(look: () => PresenceLook): void {
    if (this.#all.size === 0) return;
    const shown = look();
    for (const watcher of this.#all) watcher.looked(shown);
  }

  found(partId: string): void {
    for (const watcher of this.#all) watcher.found(partId);
  }
}
