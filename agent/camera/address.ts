/** Texts cleaned of passwords. */
import { redactUrl } from '../../config/secrets.ts';

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
