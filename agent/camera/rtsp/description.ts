/** Parses the session description of a camera, the reply to DESCRIBE (RFC 4566). */
import { QcError } from '../../../config/errors.ts';

export interface Track {
  /** `video`, `audio`, `application`. */
  readonly media: string;
  /** `RTP/AVP`, `RTP/SAVP`. */
  readonly protocol: string;
  /** RTP encoding name in upper case: `H264`, `JPEG`. */
  readonly encoding: string;
  readonly payloadType: number;
  /** Size that an ONVIF camera states for MJPEG images larger than RTP can describe: `2592,1944`. */
  readonly dimensions: string | undefined;
  /** The description contains keys for SRTP (RFC 4568). */
  readonly hasKeys: boolean;
}

/** Encodings with a static payload type (RFC 3551 section 6). */
const staticTypes: Readonly<Record<number, string>> = {
  26: 'JPEG',
  31: 'H261',
  32: 'MPV',
  33: 'MP2T',
  34: 'H263',
};
/** MP2T: an MPEG transport stream can contain any of them; only the decoder can tell. */
const supported = new Set(['H264', 'H265', 'JPEG', 'MP2T']);
const names: Readonly<Record<string, string>> = {
  'MP4V-ES': 'MPEG-4 Part 2',
  MPV: 'MPEG-2',
  'H263-1998': 'H.263',
  'H263-2000': 'H.263',
  H263: 'H.263',
  H266: 'H.266',
  JPEG2000: 'JPEG 2000',
  RAW: 'uncompressed',
};

export function readDescription(sdp: string): Track[] {
  const sections = sdp.split(/\r?\n(?=m=)/).filter((section) => section.startsWith('m='));
  return sections.map((section) => {
    const [, media = '', protocol = '', type = ''] = /^m=(\S+) \S+ (\S+) (\d+)/.exec(section) ?? [];
    const attribute = (pattern: RegExp) => pattern.exec(section)?.[1];
    const mapped = attribute(new RegExp(`^a=rtpmap:${type} +([^/\\s]+)`, 'm'));
    return {
      media,
      protocol,
      payloadType: Number(type),
      encoding: (mapped ?? staticTypes[Number(type)] ?? '').toUpperCase(),
      dimensions: attribute(/^a=x-dimensions: *(\S+)/m),
      hasKeys: /^a=crypto:/m.test(section),
    };
  });
}

/** Why no track can be read; undefined if there is a readable video track. */
export function descriptionFault(tracks: readonly Track[]): QcError | undefined {
  const videos = tracks.filter(({ media }) => media === 'video');
  if (tracks.length === 0) {
    const remedy = 'switch the video stream on in the camera, or correct the path in url';
    return new QcError('camera-codec', 'the camera describes a session without any stream', { remedy });
  }
  if (videos.length === 0) {
    const has = [...new Set(tracks.map(({ media }) => media))].join(' and ');
    const remedy = 'correct the path in url, or switch the video stream on in the camera';
    return new QcError('camera-codec', `the stream has no video, only ${has}`, { remedy });
  }
  const known = videos.filter(({ encoding }) => supported.has(encoding));
  if (known.length === 0) {
    const has = videos
      .map(({ encoding }) => names[encoding] ?? (encoding || 'of an unknown codec'))
      .join(', ');
    return new QcError('camera-codec', `the video is ${has}, which is not supported`);
  }
  if (known.every(({ protocol, hasKeys }) => /SAVP/i.test(protocol) && !hasKeys)) {
    const remedy = 'switch SRTP off in the camera; an rtsps:// url encrypts the whole connection instead';
    return new QcError('camera-codec', 'the camera encrypts the video (SRTP)', { remedy });
  }
  return undefined;
}
