/** An id for this browser. The agent uses it to tell apart people who share a login or need none. */

const key = 'qc-client';

function createId() {
  // Not crypto.randomUUID: browsers offer it only on pages served over TLS or from localhost.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function storedId() {
  try {
    const id = localStorage.getItem(key) ?? createId();
    localStorage.setItem(key, id);
    return id;
  } catch {
    // A browser that stores nothing gets a new id for each page.
    return createId();
  }
}

export const browserId = storedId();
