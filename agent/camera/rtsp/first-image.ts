/** Until the first image of a stream: says what is known about why it does not come. */
import { QcError } from '../../../config/errors.ts';
import type { SourceContext } from '../source.ts';
import type { OpenRelay } from './open.ts';

/** A key frame may be this far away without remark, ms. */
const patienceMs = 5_000;
const lookEveryMs = 500;

export interface FirstImage extends Disposable {
  /** It came. */
  image(): void;
  /** Packets that the decoder has taken: by UDP they do not pass the relay. */
  packets(count: number): void;
  /** A decoder's failure, with what the stream held where that says more. */
  explain(error: QcError): QcError;
}

/**
 * Sets the condition `no-key-frame` while data arrives that no image can begin with.
 * @param counts whether the decoder tells every packet by `packets`
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
      // Of an attempt before.
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
      // It stays until a later attempt brings an image.
      isSet = false;
      return noKeyFrame();
    },
    [Symbol.dispose]: end,
  };
}

const waited = new Set(['camera-stalled', 'camera-unreachable']);
const explainable = new Set([...waited, 'camera-protocol', 'camera-ended', 'camera-codec']);

const noKeyFrame = () =>
  new QcError('camera-no-key-frame', 'data arrives, but no key frame to begin an image with');

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
        remedy: 'look at the video of the camera in its own page, and restart the camera',
      });
}

const undecodable = () =>
  new QcError('camera-codec', 'key frames arrive, but the decoder makes no image of them', {
    remedy:
      'set the video of the camera to profile Main or High with 8 bits and 4:2:0, and switch encryption off',
  });
