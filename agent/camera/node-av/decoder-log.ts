import { AV_LOG_DEBUG, AV_LOG_ERROR, AV_LOG_WARNING } from 'node-av/constants';
import { Log } from 'node-av/lib';
import { damageInPassing } from '../damage.ts';

/** A message of FFmpeg: a warning, an error, or of a lower level and about damage. */
export interface Message {
  readonly error: boolean;
  readonly text: string;
}

const MARK = 'qc-agent: everything before this was said earlier';
/** More messages than this between two looks say nothing new. */
const MOST = 200;

/**
 * What FFmpeg says, in step with what it does. It says so from several threads, and the messages arrive later than the
 * results they are about; but they arrive in order, so a message of our own, once it is back, proves that all earlier
 * ones are there. There is one log in a process.
 */
export class DecoderLog {
  #messages: Message[] = [];
  readonly #waiting: (() => void)[] = [];

  /** From now on, the log of this process comes here. */
  listen(): void {
    const take = (level: number, text: string) => {
      if (text === MARK) this.#waiting.shift()?.();
      else if (level > AV_LOG_WARNING && !damageInPassing(text)) return;
      else if (this.#messages.length < MOST) this.#messages.push({ error: level <= AV_LOG_ERROR, text });
    };
    Log.setCallback(take, { maxLevel: AV_LOG_DEBUG });
  }

  /** Everything that was said until now, since the last call. */
  async messages(): Promise<readonly Message[]> {
    const mark = new Promise<void>((resolve) => this.#waiting.push(resolve));
    Log.log(AV_LOG_ERROR, MARK);
    await mark;
    const messages = this.#messages;
    this.#messages = [];
    return messages;
  }
}
