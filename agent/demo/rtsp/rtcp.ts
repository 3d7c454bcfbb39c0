/** RTCP compound packets: sender report and source description (RFC 3550 §6.4.1, §6.5). */
import type { RtpStream } from './rtp.ts';

/** Seconds from 1900, the epoch of NTP, to 1970. */
const ntpToUnixSeconds = 2_208_988_800;

/**
 * Maps the stream's RTP time to wall-clock time for the receiver.
 * @param at now, ms since the epoch
 */
export function senderReport(stream: RtpStream, at: number): Buffer {
  const report = Buffer.alloc(28);
  report.writeUInt8(0x80, 0);
  report.writeUInt8(200, 1);
  report.writeUInt16BE(report.length / 4 - 1, 2);
  report.writeUInt32BE(stream.ssrc, 4);
  report.writeUInt32BE(Math.floor(at / 1_000) + ntpToUnixSeconds, 8);
  report.writeUInt32BE(Math.floor(((at % 1_000) / 1_000) * 2 ** 32), 12);
  report.writeUInt32BE(stream.timestamp(at), 16);
  report.writeUInt32BE(stream.packets, 20);
  report.writeUInt32BE(stream.octets, 24);
  return Buffer.concat([report, sourceDescription(stream.ssrc, 'qc-demo')]);
}

function sourceDescription(ssrc: number, cname: string): Buffer {
  // Chunk: SSRC, one CNAME item, then 1 to 4 zero bytes up to a multiple of 4.
  const items = 2 + cname.length;
  const packet = Buffer.alloc(8 + items + (4 - (items % 4)));
  packet.writeUInt8(0x81, 0);
  packet.writeUInt8(202, 1);
  packet.writeUInt16BE(packet.length / 4 - 1, 2);
  packet.writeUInt32BE(ssrc, 4);
  packet.writeUInt8(1, 8);
  packet.writeUInt8(cname.length, 9);
  packet.write(cname, 10, 'latin1');
  return packet;
}
