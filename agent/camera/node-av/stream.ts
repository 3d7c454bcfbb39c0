import {
  AV_CODEC_ID_H264,
  AV_CODEC_ID_HEVC,
  AV_CODEC_ID_MJPEG,
  AV_HWDEVICE_TYPE_CUDA,
  AV_LOG_ERROR,
  AV_LOG_QUIET,
  AV_PIX_FMT_CUDA,
  AVMEDIA_TYPE_VIDEO,
} from 'node-av/constants';
import {
  Codec,
  CodecContext,
  Dictionary,
  FFmpegError,
  FormatContext,
  HardwareDeviceContext,
  Log,
  type Stream,
} from 'node-av/lib';
import { QcError } from '../../../config/errors.ts';
import { openingFailure } from './failure.ts';
import type { OpenMessage } from './messages.ts';

/** An open RTSP stream with its decoder. It stays open until the child process exits. */
export interface OpenStream {
  readonly input: FormatContext;
  readonly video: Stream;
  readonly decoder: CodecContext;
  /** Display name: `H.264`. */
  readonly codec: string;
  /** Why hardware decoding was configured but is not used. */
  readonly hardwareFault?: string;
}

const CODECS = new Map<number, string>([
  [AV_CODEC_ID_H264, 'H.264'],
  [AV_CODEC_ID_HEVC, 'H.265'],
  [AV_CODEC_ID_MJPEG, 'MJPEG'],
]);

/**
 * Opens the stream and its decoder. The stream is not probed, so the first frame is not delayed: the SDP names the codec,
 * and the decoder reads the size from the stream.
 * @throws QcError with the code that says what is wrong with the camera
 */
export async function openStream(open: OpenMessage): Promise<OpenStream> {
  let lastWords = '';
  Log.setLevel(AV_LOG_ERROR);
  Log.setCallback((_level, line) => {
    lastWords = line.trim();
  });
  const input = new FormatContext();
  const startedAt = performance.now();
  const opened = await input.openInput(open.address, null, inputOptions(open));
  Log.resetCallback();
  Log.setLevel(AV_LOG_QUIET);
  // FFmpeg reports a peer that never answers as invalid data; the elapsed time shows the difference.
  const timedOut = performance.now() - startedAt >= open.config.stallMs;
  if (opened < 0) throw openingFailure(opened, timedOut, lastWords);

  const video = input.streams.find((stream) => stream.codecpar.codecType === AVMEDIA_TYPE_VIDEO);
  if (!video) throw new QcError('camera-codec', 'the stream has no video');
  const name = CODECS.get(video.codecpar.codecId);
  const codec = name === undefined ? null : Codec.findDecoder(video.codecpar.codecId);
  if (name === undefined || !codec)
    throw new QcError('camera-codec', 'the video is neither H.264, H.265 nor MJPEG');

  const hardware = openHardware(open.config.hardware);
  const decoder = new CodecContext();
  decoder.allocContext3(codec);
  FFmpegError.throwIfError(decoder.parametersToContext(video.codecpar), 'reading the codec parameters');
  decoder.pktTimebase = video.timeBase;
  // Each additional frame thread would add a frame of delay.
  decoder.threadCount = 1;
  if (hardware.device) {
    decoder.hwDeviceCtx = hardware.device;
    decoder.setHardwarePixelFormat(AV_PIX_FMT_CUDA);
  }
  const ready = await decoder.open2(codec, null);
  if (ready < 0)
    throw new QcError('camera-codec', `the decoder cannot be opened: ${FFmpegError.strerror(ready)}`);
  return { input, video, decoder, codec: name, ...(hardware.fault ? { hardwareFault: hardware.fault } : {}) };
}

function inputOptions({ config }: OpenMessage): Dictionary {
  return Dictionary.fromObject({
    rtsp_transport: config.transport,
    // Audio is not needed and would only cost bandwidth.
    allowed_media_types: 'video',
    // Socket timeout, µs. The agent and the relay detect a silent camera earlier.
    timeout: String(4_000 * config.stallMs + 10_000_000),
    fflags: 'nobuffer',
    // TCP: without a queue a gap in the sequence numbers is not reported. A proxy between camera and agent may have lost
    // packets.
    ...(config.transport === 'tcp' ? { reorder_queue_size: '8' } : {}),
    // UDP: how long a packet waits for an earlier one that is still missing, µs; and a buffer for the burst of a key frame.
    max_delay: '200000',
    buffer_size: String(4 * 1024 * 1024),
    user_agent: 'qc-edge-agent',
  });
}

function openHardware(wanted: OpenMessage['config']['hardware']): {
  device?: HardwareDeviceContext;
  fault?: string;
} {
  if (wanted === 'none') return {};
  if (wanted === 'jetson') {
    return { fault: 'hardware: jetson needs decoder: ffmpeg; decoding in software' };
  }
  const device = new HardwareDeviceContext();
  const made = device.create(AV_HWDEVICE_TYPE_CUDA, null, null);
  if (made < 0) {
    return { fault: `no CUDA decoder (${FFmpegError.strerror(made)}); decoding in software` };
  }
  return { device };
}
