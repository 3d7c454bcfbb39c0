/** A camera's address with its password, and texts cleaned of it. */
import { redactUrl } from '../../config/secrets.ts';

/**
 * The address a decoder opens: user and password of the camera in it, percent-encoded (RFC 3986, 3.2.1).
 * Never log the result, and never put it on a command line.
 */
export function addressWithPassword(url: string, password: string | undefined): string {
  if (password === undefined) return url;
  const parts = /^(rtsps?:\/\/)(?:([^@/]*)@)?(.*)$/s.exec(url);
  if (!parts) return url;
  const [, scheme = '', userInfo = '', rest = ''] = parts;
  const user = userInfo.split(':')[0] ?? '';
  return `${scheme}${user}:${percentEncoded(password)}@${rest}`;
}

/** Takes user, password and whatever looks like them out of an address or a decoder's message. */
export function scrub(text: string, secrets: readonly (string | undefined)[] = []): string {
  let clean = redactUrl(text).replace(/(\b[a-z][a-z0-9+.-]*:\/\/)[^\s/'"]*@/gi, '$1');
  for (const secret of secrets) {
    if (!secret) continue;
    for (const form of [secret, percentEncoded(secret)]) clean = clean.replaceAll(form, '***');
  }
  return clean;
}

function percentEncoded(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
