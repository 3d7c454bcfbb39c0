/** One RTP stream to one client (RFC 3550 §5.1) with what its sender reports need. */
import { randomInt } from 'node:crypto';

/** RTP clock of all video payload formats used here, Hz. */
export const videoClock = 90_000;

/** Maximum payload of a packet, bytes: an Ethernet frame minus IP, UDP, RTP and a tunnel. */
export const maxPayload = 1_400;

export class RtpStream {
  readonly ssrc = randomInt(2 ** 32 - 1);
  readonly payloadType: number;
  /** Sequence number of the next packet; starts at a random value. */
  sequence = randomInt(2 ** 16);
  packets = 0;
  octets = 0;
  readonly #offset = randomInt(2 ** 32 - 1);

  constructor(payloadType: number) {
    this.payloadType = payloadType;
  }

  /** RTP time of an instant in ms since the epoch: 90 kHz, modulo 2^32, with a random start. */
  timestamp(at: number): number {
    return Number((BigInt(Math.round((at * videoClock) / 1_000)) + BigInt(this.#offset)) & 0xffff_ffffn);
  }

  /** The next packet; `marker` ends an image. */
  packet(payload: Uint8Array, at: number, marker: boolean): Buffer {
    const packet = Buffer.allocUnsafe(12 + payload.length);
    packet[0] = 0x80;
    packet[1] = (marker ? 0x80 : 0) | this.payloadType;
    packet.writeUInt16BE(this.sequence, 2);
    packet.writeUInt32BE(this.timestamp(at), 4);
    packet.writeUInt32BE(this.ssrc, 8);
    packet.set(payload, 12);
    this.sequence = (this.sequence + 1) & 0xffff;
    this.packets = (this.packets + 1) >>> 0;
    this.octets = (this.octets + payload.length) >>> 0;
    return packet;
  }
}

/** A payload format: its description (RFC 4566) and how an image is split into packets. */
export interface PayloadFormat {
  readonly payloadType: number;
  readonly encodingName: string;
  /** Parameters of the SDP line a=fmtp, taken from a key frame; empty if the format has none. */
  formatParameters(keyPicture: Buffer): string;
  /** Splits one encoded image into RTP payloads of at most `maxPayload` bytes. */
  packetise(picture: Buffer): Buffer[];
}
