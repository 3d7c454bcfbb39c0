/** The name of this browser: people who share a log-in, or need none, are told apart by it. */

const key = 'qc-client';

function made() {
  // Not crypto.randomUUID: it is missing on pages that come without TLS.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function kept() {
  try {
    const known = localStorage.getItem(key) ?? made();
    localStorage.setItem(key, known);
    return known;
  } catch {
    // A browser that stores nothing gets a new name with each page.
    return made();
  }
}

export const browserId = kept();
