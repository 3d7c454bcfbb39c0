/** Tones for a failed part and for a stop. A browser plays sound only after the user has touched a control of the page. */

/** Pitch in Hz and length in s, one after the other. */
const tones = {
  /** High, falling. */
  fail: {
    shape: /** @type {const} */ ('triangle'),
    notes: [
      [880, 0.18],
      [587, 0.32],
    ],
  },
  /** Low, three times the same. */
  stopped: {
    shape: /** @type {const} */ ('square'),
    notes: [
      [220, 0.45],
      [220, 0.45],
      [220, 0.45],
    ],
  },
};
const pauseS = 0.08;
const loudness = 0.4;

export function createTones() {
  /** @type {AudioContext | undefined} */
  let context;
  let isOn = false;

  /** @param {keyof typeof tones} kind */
  function play(kind) {
    if (!isOn || !context) return;
    const { shape, notes } = tones[kind];
    let at = context.currentTime;
    for (const [pitch = 440, length = 0.2] of notes) {
      const oscillator = new OscillatorNode(context, { type: shape, frequency: pitch });
      const gain = new GainNode(context, { gain: 0 });
      // Without a ramp each note begins and ends with a click.
      gain.gain.setValueAtTime(0, at);
      gain.gain.linearRampToValueAtTime(loudness, at + 0.02);
      gain.gain.setValueAtTime(loudness, at + length - 0.03);
      gain.gain.linearRampToValueAtTime(0, at + length);
      oscillator.connect(gain).connect(context.destination);
      oscillator.start(at);
      oscillator.stop(at + length);
      at += length + pauseS;
    }
  }

  return {
    get isOn() {
      return isOn;
    },
    /** To be called by a click. @param {boolean} on */
    async turn(on) {
      isOn = on;
      if (!on) return context?.suspend();
      context ??= new AudioContext();
      await context.resume();
      // So that the user knows how loud it is.
      play('fail');
    },
    play,
  };
}
