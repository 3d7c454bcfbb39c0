/** Error replies of cameras, with a remedy for the operator (RFC 2326 section 11). */
import { type ErrorCode, QcError } from '../../../config/errors.ts';
import type { Reply } from './reply.ts';

const meanings: Readonly<Record<number, readonly [code: ErrorCode, what: string, remedy?: string]>> = {
  400: ['camera-protocol', 'it does not understand the request', 'check path and parameters of the url'],
  403: [
    'camera-unauthorized',
    'the user may not see this stream',
    'give the user in the url the right to view this stream, or use another user',
  ],
  404: ['camera-not-found', 'there is no such stream'],
  405: ['camera-protocol', 'it cannot do this', 'check that the url is a live stream and not a recording'],
  408: ['camera-unreachable', 'the request took too long'],
  410: ['camera-not-found', 'the stream is gone'],
  415: ['camera-protocol', 'it does not describe streams as SDP'],
  453: ['camera-busy', 'too many viewers'],
  454: ['camera-ended', 'it ended the session'],
  455: ['camera-protocol', 'it cannot do this now', 'close other viewers of the camera, or restart it'],
  459: ['camera-protocol', 'it does not accept this request for the whole stream'],
  460: ['camera-protocol', 'it accepts this request only for the whole stream'],
  461: ['camera-transport', 'it does not support this transport'],
  500: [
    'camera-protocol',
    'an error inside the camera',
    'reduce the number of its viewers, restart the camera, and update its firmware if it happens again',
  ],
  501: ['camera-protocol', 'it cannot do this', 'check that the url is a live stream and not a recording'],
  502: ['camera-unreachable', 'the recorder or gateway does not reach the camera behind it'],
  503: ['camera-busy', 'no capacity left, or it is just starting'],
  504: ['camera-unreachable', 'the recorder or gateway does not reach the camera behind it'],
  505: ['camera-protocol', 'it does not speak RTSP 1.0', 'switch RTSP 1.0 on in the camera'],
  551: [
    'camera-protocol',
    'it does not know an option that the agent needs',
    'update the firmware of the camera, or try the other transport',
  ],
};

/** @param doing the request, such as `DESCRIBE` @param transport the requested one */
export function refusal({ status, phrase }: Reply, doing: string, transport: 'tcp' | 'udp'): QcError {
  const [code, what, remedy] = meanings[status] ?? (['camera-protocol'] as const);
  const said = `the camera answers ${doing} with ${status}${phrase ? ` ${phrase}` : ''}`;
  const other = transport === 'tcp' ? 'udp' : 'tcp';
  const advice = status === 461 ? `set transport: ${other} for this camera` : remedy;
  return new QcError(code, what ? `${said}: ${what}` : said, advice === undefined ? {} : { remedy: advice });
}
