import { AV_LOG_DEBUG, AV_LOG_ERROR, AV_LOG_WARNING } from 'node-av/constants';
import { Log } from 'node-av/lib';
import { damageInWarning } from '../damage.ts';

/** A message of FFmpeg: a warning, an error, or a message of a lower level about damage. */
export interface Message {
  readonly error: boolean;
  readonly text: string;
}

const MARK = 'qc-agent: end of the messages so far';
/** Maximum number of messages kept between two calls; more add no information. */
const MAX_MESSAGES = 200;

/**
 * FFmpeg's log, synchronised with its results. Several threads log, and messages arrive later than the results they belong
 * to, but in order. So when a marker message of our own arrives, all earlier messages have arrived. There is one log per
 * process.
 */
export class DecoderLog {
  #messages: Message[] = [];
  readonly #waiting: (() => void)[] = [];

  /** Redirects the log of this process to this object. */
  listen(): void {
    const take = (level: number, text: string) => {
      if (text === MARK) this.#waiting.shift()?.();
      else if (level > AV_LOG_WARNING && !damageInWarning(text)) return;
      else if (this.#messages.length < MAX_MESSAGES)
        this.#messages.push({ error: level <= AV_LOG_ERROR, text });
    };
    Log.setCallback(take, { maxLevel: AV_LOG_DEBUG });
  }

  /** All messages since the last call. */
  async messages(): Promise<readonly Message[]> {
    const mark = new Promise<void>((resolve) => this.#waiting.push(resolve));
    Log.log(AV_LOG_ERROR, MARK);
    await mark;
    const messages = this.#messages;
    this.#messages = [];
    return messages;
  }
}
