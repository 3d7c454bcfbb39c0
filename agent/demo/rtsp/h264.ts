/** H.264 in RTP, non-interleaved mode (RFC 6184): single NAL unit packets (§5.6) and FU-A (§5.8). */
import { splitNals } from './nal.ts';
import { maxPayload, type PayloadFormat } from './rtp.ts';

const type = { sps: 7, pps: 8, fragment: 28 } as const;
const typeOf = (nal: Buffer) => nal.readUInt8(0) & 0x1f;

export const h264: PayloadFormat = {
  payloadType: 96,
  encodingName: 'H264',

  formatParameters(keyPicture) {
    const sets = splitNals(keyPicture).filter((nal) => typeOf(nal) === type.sps || typeOf(nal) === type.pps);
    const sps = sets.find((nal) => typeOf(nal) === type.sps);
    if (!sps) throw new Error('an H.264 key picture without its sequence parameter set');
    const profile = sps.toString('hex', 1, 4).toUpperCase();
    const sprop = sets.map((nal) => nal.toString('base64')).join(',');
    return `packetization-mode=1;profile-level-id=${profile};sprop-parameter-sets=${sprop}`;
  },

  packetise: (picture) => splitNals(picture).flatMap(fragment),
};

function fragment(nal: Buffer): Buffer[] {
  if (nal.length <= maxPayload) return [nal];
  const header = nal.readUInt8(0);
  const fragments: Buffer[] = [];
  for (let at = 1; at < nal.length; at += maxPayload - 2) {
    const piece = nal.subarray(at, at + maxPayload - 2);
    const start = at === 1 ? 0x80 : 0;
    const end = at + piece.length === nal.length ? 0x40 : 0;
    fragments.push(
      Buffer.concat([Buffer.from([(header & 0xe0) | type.fragment, start | end | (header & 0x1f)]), piece]),
    );
  }
  return fragments;
}
