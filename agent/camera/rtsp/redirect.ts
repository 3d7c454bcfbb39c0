import { QcError } from '../../../config/errors.ts';
import { redactUrl } from '../../../config/secrets.ts';
import { placeOf } from './dial.ts';
import type { Reply } from './reply.ts';

const maxRedirects = 3;
const statuses = new Set([301, 302, 303, 305, 307, 308]);

/** Follows redirections of a camera, a limited number of times and never in a loop (RFC 2326 section 11.3). */
export class Redirects {
  readonly #visited: string[];

  constructor(address: string) {
    this.#visited = [address];
  }

  static is({ status }: Reply): boolean {
    return statuses.has(status);
  }

  /**
   * The next address, without user and password.
   * @throws QcError camera-redirect
   */
  next(reply: Reply): string {
    const from = this.#visited.at(-1)!;
    const location = reply.headers.get('location')?.[0]?.trim() ?? '';
    const said = `the camera answers with ${reply.status} ${reply.phrase}`.trim();
    if (location === '') throw new QcError('camera-redirect', `${said} without a target address`);
    const to = absolute(location, from);
    const shown = redactUrl(to);
    if (reply.status === 305)
      throw new QcError('camera-redirect', `${said}: it is reached only through ${shown}`);
    if (!/^rtsps?:/i.test(to))
      throw new QcError('camera-redirect', `${said}: it redirects to ${shown}, which is not an RTSP address`);
    if (this.#visited.includes(to)) {
      const where = to === from ? 'itself' : `${shown}, an earlier address`;
      const remedy = 'correct the path in url, or the redirection in the camera';
      throw new QcError('camera-redirect', `${said}: it redirects to ${where}`, { remedy });
    }
    if (this.#visited.length > maxRedirects) {
      throw new QcError(
        'camera-redirect',
        `${said}: more than ${maxRedirects} redirections, the last to ${shown}`,
      );
    }
    this.#visited.push(to);
    return to;
  }
}

/** Whether user and password for one address may be sent to the other. */
export function isSameHost(a: string, b: string): boolean {
  const [from, to] = [placeOf(a), placeOf(b)];
  return from.host.toLowerCase() === to.host.toLowerCase() && (to.isSecure || !from.isSecure);
}

function absolute(location: string, from: string): string {
  const plain = location.replace(/^([a-z]+:\/\/)[^/@]*@/i, '$1');
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(plain)) return plain;
  const [root = ''] = /^rtsps?:\/\/[^/?]+/i.exec(from) ?? [];
  return plain.startsWith('/') ? root + plain : `${from.replace(/[^/]*$/, '')}${plain}`;
}
