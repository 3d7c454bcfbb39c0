/**
 * Baseline JPEG in RTP (RFC 2435): quantisation tables are sent in the first packet (Q = 255), Huffman tables are the
 * standard ones.
 */
import { maxPayload, type PayloadFormat } from './rtp.ts';

export const jpeg: PayloadFormat = {
  payloadType: 26,
  encodingName: 'JPEG',

  formatParameters: () => '',

  packetise(picture) {
    const { type, width, height, tables, scan } = parse(picture);
    const tableHeader = Buffer.alloc(4);
    tableHeader.writeUInt16BE(tables.length, 2);
    const packets: Buffer[] = [];
    for (let at = 0; at < scan.length; ) {
      const header = Buffer.alloc(8);
      header.writeUIntBE(at, 1, 3);
      header.writeUInt8(type, 4);
      header.writeUInt8(255, 5);
      header.writeUInt8(Math.ceil(width / 8), 6);
      header.writeUInt8(Math.ceil(height / 8), 7);
      const head = at === 0 ? [header, tableHeader, tables] : [header];
      const room = maxPayload - head.reduce((sum, part) => sum + part.length, 0);
      const piece = scan.subarray(at, at + room);
      packets.push(Buffer.concat([...head, piece]));
      at += piece.length;
    }
    return packets;
  },
};

interface Parsed {
  /** 0: chroma halved horizontally (4:2:2); 1: halved in both directions (4:2:0) (RFC 2435 §4.1). */
  readonly type: 0 | 1;
  readonly width: number;
  readonly height: number;
  readonly tables: Buffer;
  readonly scan: Buffer;
}

/** Reads the marker segments (ITU-T T.81 Annex B) up to the scan; throws if RFC 2435 does not support the image. */
function parse(picture: Buffer): Parsed {
  let frame: { type: 0 | 1; width: number; height: number } | undefined;
  const tables: Buffer[] = [];
  for (let at = 2; at + 4 <= picture.length; ) {
    const marker = picture.readUInt16BE(at);
    const length = picture.readUInt16BE(at + 2);
    const segment = picture.subarray(at + 4, at + 2 + length);
    at += 2 + length;
    if (marker === 0xffdb) tables.push(...quantisationTables(segment));
    if (marker === 0xffc0) frame = frameOf(segment);
    if (marker === 0xffdd && segment.readUInt16BE(0) !== 0) throw new Error('JPEG with restart intervals');
    if (marker === 0xffda) {
      if (!frame) throw new Error('JPEG that is not baseline');
      const end = picture.lastIndexOf(Buffer.from([0xff, 0xd9]));
      return {
        ...frame,
        tables: Buffer.concat(tables),
        scan: picture.subarray(at, end < at ? undefined : end),
      };
    }
  }
  throw new Error('JPEG without a scan');
}

function quantisationTables(segment: Buffer): Buffer[] {
  const tables: Buffer[] = [];
  for (let at = 0; at + 65 <= segment.length; at += 65) {
    if (segment.readUInt8(at) > 3) throw new Error('JPEG with 16-bit quantisation tables');
    tables.push(segment.subarray(at + 1, at + 65));
  }
  return tables;
}

function frameOf(segment: Buffer): { type: 0 | 1; width: number; height: number } {
  const height = segment.readUInt16BE(1);
  const width = segment.readUInt16BE(3);
  const sampling = segment.readUInt8(7);
  if (sampling !== 0x21 && sampling !== 0x22) throw new Error('JPEG chroma must be 4:2:0 or 4:2:2');
  if (width > 2_040 || height > 2_040) throw new Error('RTP supports JPEG of at most 2040 pixels per side');
  return { type: sampling === 0x21 ? 0 : 1, width, height };
}
