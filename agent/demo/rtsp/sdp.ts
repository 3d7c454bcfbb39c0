/** The session description that answers DESCRIBE (RFC 4566; RTSP's use of it in RFC 2326 appendix C). */
import { type PayloadFormat, videoClock } from './rtp.ts';

export function describe(host: string, format: PayloadFormat, keyPicture: Buffer): string {
  const parameters = format.formatParameters(keyPicture);
  const family = host.includes(':') ? 'IP6' : 'IP4';
  return [
    'v=0',
    `o=- 0 0 IN ${family} ${host}`,
    's=qc demo camera',
    `c=IN ${family} ${family === 'IP6' ? '::' : '0.0.0.0'}`,
    't=0 0',
    'a=control:*',
    'a=range:npt=now-',
    `m=video 0 RTP/AVP ${format.payloadType}`,
    `a=rtpmap:${format.payloadType} ${format.encodingName}/${videoClock}`,
    ...(parameters ? [`a=fmtp:${format.payloadType} ${parameters}`] : []),
    'a=control:track0',
    '',
  ].join('\r\n');
}
