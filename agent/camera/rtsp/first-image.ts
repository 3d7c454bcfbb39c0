/** Explains why the first image of a stream does not arrive. */
import { QcError } from '../../../config/errors.ts';
import type { SourceContext } from '../source.ts';
import type { OpenRelay } from './open.ts';

/** Time without a key frame after which the condition is set, ms. */
const patienceMs = 5_000;
const lookEveryMs = 500;

export interface FirstImage extends Disposable {
  /** The first image has arrived. */
  image(): void;
  /** The decoder has read packets: with UDP they do not pass through the relay. */
  packets(count: number): void;
  /** Replaces a decoder's error by a more precise one if the stream's content explains it. */
  explain(error: QcError): QcError;
}

/**
 * Sets the condition `no-key-frame` while data arrives without a key frame.
 * @param counts whether the decoder reports every packet by `packets`
 */
export function awaitFirstImage(
  relay: Pick<OpenRelay, 'facts'>,
  { config: { transport }, condition }: Pick<SourceContext, 'config' | 'condition'>,
  { counts }: { counts: boolean },
): FirstImage {
  let counted = 0;
  let playingAt: number | undefined;
  let isSet = false;
  const total = () => Math.max(counted, relay.facts.packets);
  const timer = setInterval(() => {
    if (!relay.facts.isPlaying) return;
    playingAt ??= performance.now();
    if (isSet || performance.now() - playingAt < patienceMs || total() === 0 || relay.facts.keyPackets > 0)
      return;
    isSet = true;
    condition?.('no-key-frame', noKeyFrame().line);
  }, lookEveryMs);
  const end = () => {
    clearInterval(timer);
    if (isSet) condition?.('no-key-frame', '');
    isSet = false;
  };
  let isThere = false;
  return {
    image() {
      if (isThere) return;
      isThere = true;
      end();
      // Set by an earlier attempt.
      condition?.('no-key-frame', '');
    },
    packets(count) {
      counted += count;
    },
    explain(error) {
      const { isPlaying, keyPackets } = relay.facts;
      if (isThere || !isPlaying || !explainable.has(error.code)) return error;
      if (total() === 0) return waited.has(error.code) ? noData(transport, counts) : error;
      if (keyPackets > 0) return error.code === 'camera-codec' ? error : undecodable();
      // It stays set until an attempt delivers an image.
      isSet = false;
      return noKeyFrame();
    },
    [Symbol.dispose]: end,
  };
}

const waited = new Set(['camera-stalled', 'camera-unreachable']);
const explainable = new Set([...waited, 'camera-protocol', 'camera-ended', 'camera-codec']);

const noKeyFrame = () =>
  new QcError('camera-no-key-frame', 'data arrives, but no key frame, without which decoding cannot start');

function noData(transport: 'tcp' | 'udp', counts: boolean): QcError {
  if (transport === 'udp' && !counts) {
    return new QcError('camera-stalled', 'the camera accepts PLAY, but no image arrives by UDP', {
      remedy:
        'let UDP from the camera through the firewalls; set transport: tcp to see whether data or a key frame is missing',
    });
  }
  const what = 'the camera accepts PLAY, but no data arrives';
  return transport === 'udp'
    ? new QcError('camera-stalled', `${what} by UDP`, {
        remedy: 'let UDP from the camera through the firewalls, or set transport: tcp',
      })
    : new QcError('camera-stalled', what, {
        remedy: "check the video on the camera's own web page, and restart the camera",
      });
}

const undecodable = () =>
  new QcError('camera-codec', 'key frames arrive, but the decoder cannot decode them', {
    remedy:
      'set the video of the camera to profile Main or High with 8 bits and 4:2:0, and switch encryption off',
  });
