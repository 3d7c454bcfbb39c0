/** Finds out where decoding can start, from the NAL units of a packet in Annex B format, as received by RTP. */

/** What a packet contains that matters for the start of decoding. */
export interface Unit {
  /** It contains a coded picture or a field of one; otherwise it has only parameters. */
  readonly picture: boolean;
  /** Decoding can start here: at once, or a known number of frames after a recovery point. */
  readonly start: boolean;
}

const START_CODE = Buffer.from([0, 0, 1]);
const NOTHING: Unit = { picture: false, start: false };

/** @param codec display name: `H.264` */
export function readUnit(codec: string, data: Buffer | null): Unit {
  if (!data) return NOTHING;
  if (codec === 'H.264') return readUnits(data, h264);
  if (codec === 'H.265') return readUnits(data, h265);
  return { picture: true, start: true };
}

type Kind = 'start' | 'picture' | 'sei' | 'other';

/** ITU-T H.264 (08/2021), table 7-1: 5 is an IDR picture, 6 SEI. */
function h264(header: number): Kind {
  const type = header & 31;
  if (type === 5) return 'start';
  if (type === 6) return 'sei';
  return type >= 1 && type <= 4 ? 'picture' : 'other';
}

/** ITU-T H.265 (08/2021), table 7-1: below 32 are pictures, 16 to 23 intra random access points. */
function h265(header: number): Kind {
  const type = (header >> 1) & 63;
  if (type >= 16 && type <= 23) return 'start';
  return type < 32 ? 'picture' : 'other';
}

/** Stops at the first picture: everything that describes it precedes it. */
function readUnits(data: Buffer, kindOf: (header: number) => Kind): Unit {
  let recovery = false;
  for (let at = data.indexOf(START_CODE); at >= 0; at = data.indexOf(START_CODE, at + 3)) {
    const header = data[at + 3];
    if (header === undefined) break;
    const kind = kindOf(header);
    if (kind === 'start') return { picture: true, start: true };
    if (kind === 'picture') return { picture: true, start: recovery };
    if (kind === 'sei') {
      const end = data.indexOf(START_CODE, at + 4);
      recovery ||= hasRecoveryPoint(data.subarray(at + 4, end < 0 ? undefined : end));
    }
  }
  return NOTHING;
}

/** Whether the messages of an H.264 SEI NAL unit, without its header, contain a recovery point (clause D.1.8, type 6). */
function hasRecoveryPoint(escaped: Buffer): boolean {
  const sei = unescaped(escaped);
  let at = 0;
  const sum = () => {
    let total = 0;
    while (sei[at] === 0xff) total += sei[at++]!;
    return total + (sei[at++] ?? 0);
  };
  // The last byte contains the trailing bits.
  while (at + 2 < sei.length) {
    const type = sum();
    const size = sum();
    if (type === 6) return true;
    at += size;
  }
  return false;
}

/** Removes the emulation prevention bytes (clause 7.3.1). */
function unescaped(data: Buffer): number[] {
  const plain: number[] = [];
  let zeros = 0;
  for (const byte of data) {
    if (zeros < 2 || byte !== 3) plain.push(byte);
    zeros = byte === 0 ? zeros + 1 : 0;
  }
  return plain;
}
