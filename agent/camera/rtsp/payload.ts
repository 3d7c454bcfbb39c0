/** Inspects RTP packets as far as needed to explain why they do not become an image. */
import type { Track } from './description.ts';

/** Counts of what the video packets contained so far. */
export interface Payloads {
  /** RTP packets of any track. */
  packets: number;
  /** Packets of images with which a decoder can start. */
  keyPackets: number;
  /**
   * Whether MJPEG images arrived that are larger than RTP can describe (RFC 2435: 8 bits for a width in units of 8 pixels).
   */
  isJpegTooLarge: boolean;
}

/** Inspects one packet in `data` from `start` to `end`; it may be truncated. */
export function inspectPayload(
  data: Buffer,
  start: number,
  end: number,
  tracks: readonly Track[],
  seen: Payloads,
): void {
  seen.packets++;
  if (end - start < 14) return;
  const type = data[start + 1]! & 0x7f;
  const encoding = tracks.find(({ payloadType }) => payloadType === type)?.encoding;
  let at = start + 12 + 4 * (data[start]! & 0x0f);
  if (data[start]! & 0x10) at += at + 4 <= end ? 4 + 4 * data.readUInt16BE(at + 2) : 4;
  if (at + 8 > end) return;
  if (encoding === 'H264') seen.keyPackets += isKeyH264(data, at, end) ? 1 : 0;
  if (encoding === 'H265') seen.keyPackets += isKeyH265(data, at, end) ? 1 : 0;
  if (encoding === 'JPEG') {
    seen.keyPackets++;
    seen.isJpegTooLarge ||= data[at + 6] === 0 || data[at + 7] === 0;
  }
}

/** RFC 6184 section 5.2: an IDR slice, alone, in an aggregate or in fragments. */
function isKeyH264(data: Buffer, at: number, end: number): boolean {
  const type = data[at]! & 0x1f;
  if (type === 28 || type === 29) return (data[at + 1]! & 0x1f) === 5;
  if (type !== 24) return type === 5;
  for (let unit = at + 1; unit + 2 < end; unit += 2 + data.readUInt16BE(unit)) {
    if ((data[unit + 2]! & 0x1f) === 5) return true;
  }
  return false;
}

/** RFC 7798 section 4.4: a slice of an intra random access point (types 16 to 21). */
function isKeyH265(data: Buffer, at: number, end: number): boolean {
  const isIrap = (type: number) => type >= 16 && type <= 21;
  const type = (data[at]! >> 1) & 0x3f;
  if (type === 49) return isIrap(data[at + 2]! & 0x3f);
  if (type !== 48) return isIrap(type);
  for (let unit = at + 2; unit + 2 < end; unit += 2 + data.readUInt16BE(unit)) {
    if (isIrap((data[unit + 2]! >> 1) & 0x3f)) return true;
  }
  return false;
}
