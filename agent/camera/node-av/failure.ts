import {
  AVERROR_DECODER_NOT_FOUND,
  AVERROR_EOF,
  AVERROR_HTTP_BAD_REQUEST,
  AVERROR_HTTP_FORBIDDEN,
  AVERROR_HTTP_NOT_FOUND,
  AVERROR_HTTP_UNAUTHORIZED,
} from 'node-av/constants';
import { FFmpegError } from 'node-av/lib';
import { type ErrorCode, QcError } from '../../../config/errors.ts';

const { EIO, ECONNREFUSED, ECONNRESET, EPIPE, ETIMEDOUT, EHOSTUNREACH, ENETUNREACH, EHOSTDOWN } = {
  EIO: 5,
  EPIPE: 32,
  ENETUNREACH: 101,
  ECONNRESET: 104,
  ETIMEDOUT: 110,
  ECONNREFUSED: 111,
  EHOSTDOWN: 112,
  EHOSTUNREACH: 113,
} as const; // Linux errno; FFmpeg returns them negated

const opening = new Map<number, ErrorCode>([
  [-ECONNREFUSED, 'camera-refused'],
  [-ETIMEDOUT, 'camera-unreachable'],
  [-EHOSTUNREACH, 'camera-unreachable'],
  [-EHOSTDOWN, 'camera-unreachable'],
  [-ENETUNREACH, 'camera-unreachable'],
  [-EIO, 'camera-unreachable'], // the result for a name that does not resolve
  [AVERROR_HTTP_UNAUTHORIZED, 'camera-unauthorized'],
  [AVERROR_HTTP_FORBIDDEN, 'camera-unauthorized'],
  [AVERROR_HTTP_NOT_FOUND, 'camera-not-found'],
  [AVERROR_HTTP_BAD_REQUEST, 'camera-protocol'],
  [AVERROR_DECODER_NOT_FOUND, 'camera-codec'],
]);

const reading = new Map<number, ErrorCode>([
  [AVERROR_EOF, 'camera-ended'],
  [-EPIPE, 'camera-ended'],
  [-ECONNRESET, 'camera-ended'],
  [-EIO, 'camera-ended'],
  [-ETIMEDOUT, 'camera-stalled'],
]);

/**
 * Translates FFmpeg's error for the operator. `timedOut`: the timeout passed. `detail`: FFmpeg's last message, without
 * passwords.
 */
export function openingFailure(code: number, timedOut: boolean, detail: string): QcError {
  return failure(
    opening.get(code) ?? (timedOut ? 'camera-unreachable' : 'camera-protocol'),
    'cannot open the stream',
    code,
    detail,
  );
}

export function readingFailure(code: number, detail: string): QcError {
  return failure(reading.get(code) ?? 'camera-ended', 'the stream ended unexpectedly', code, detail);
}

function failure(code: ErrorCode, what: string, ffmpegCode: number, detail: string): QcError {
  const said = FFmpegError.strerror(ffmpegCode);
  return new QcError(code, `${what}: ${said}${detail ? ` (${detail})` : ''}`);
}
