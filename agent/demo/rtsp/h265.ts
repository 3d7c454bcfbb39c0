/** H.265 in RTP without decoding-order numbers (RFC 7798): single NAL unit packets (§4.4.1) and FUs (§4.4.3). */
import { splitNals } from './nal.ts';
import { maxPayload, type PayloadFormat } from './rtp.ts';

const type = { vps: 32, sps: 33, pps: 34, fragment: 49 } as const;
const typeOf = (nal: Buffer) => (nal.readUInt8(0) >> 1) & 0x3f;

export const h265: PayloadFormat = {
  payloadType: 97,
  encodingName: 'H265',

  formatParameters(keyPicture) {
    const nals = splitNals(keyPicture);
    const set = (wanted: number) => {
      const nal = nals.find((candidate) => typeOf(candidate) === wanted);
      if (!nal) throw new Error('an H.265 key picture without its parameter sets');
      return nal.toString('base64');
    };
    return `sprop-vps=${set(type.vps)}; sprop-sps=${set(type.sps)}; sprop-pps=${set(type.pps)}`;
  },

  packetise: (picture) => splitNals(picture).flatMap(fragment),
};

function fragment(nal: Buffer): Buffer[] {
  if (nal.length <= maxPayload) return [nal];
  // The payload header is the NAL unit's own with the type replaced (§4.4.3).
  const first = (nal.readUInt8(0) & 0x81) | (type.fragment << 1);
  const second = nal.readUInt8(1);
  const fragments: Buffer[] = [];
  for (let at = 2; at < nal.length; at += maxPayload - 3) {
    const piece = nal.subarray(at, at + maxPayload - 3);
    const start = at === 2 ? 0x80 : 0;
    const end = at + piece.length === nal.length ? 0x40 : 0;
    fragments.push(Buffer.concat([Buffer.from([first, second, start | end | typeOf(nal)]), piece]));
  }
  return fragments;
}
