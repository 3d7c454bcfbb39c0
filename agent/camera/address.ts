/** Removes passwords from texts. */
import { redactUrl } from '../../config/secrets.ts';

/** Removes user, password and anything that looks like them from an address or a decoder's message. */
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
