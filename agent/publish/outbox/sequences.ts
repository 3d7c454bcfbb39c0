import type { Log } from '../../lifecycle/log.ts';
import type { Numbers } from './numbers.ts';
import type { Numbered } from './outbox.ts';

/** The newest sequence number of each camera; it continues after a gap if newer ones may have been used. */
export class Sequences {
  readonly #numbers: Numbers;
  readonly #newest: Map<string, number>;
  readonly #areCertain: boolean;
  readonly #log: Log;
  /** Cameras whose first number has been determined. */
  readonly #asked = new Set<string>();

  /** @param areCertain whether the numbers found are the newest that were ever used */
  constructor(numbers: Numbers, found: ReadonlyMap<string, number>, areCertain: boolean, log: Log) {
    this.#numbers = numbers;
    this.#newest = new Map(found);
    this.#areCertain = areCertain;
    this.#log = log;
  }

  used({ camera, sequence }: Numbered): void {
    this.#newest.set(camera, sequence);
    this.#numbers.used(camera, sequence);
  }

  newest(camera: string): number {
    const known = this.#newest.get(camera) ?? 0;
    if (this.#areCertain || this.#asked.has(camera)) return known;
    const after = this.#numbers.startAfter(camera, known);
    this.#asked.add(camera);
    this.#newest.set(camera, after);
    if (known > 0 && after > known) {
      this.#log.warn(
        { camera, newest: known, after },
        'the newest sequence number is uncertain: the next one comes after a gap',
      );
    }
    return after;
  }
}
