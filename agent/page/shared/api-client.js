/** Sends requests to the agent. Failures are thrown as ApiError, with a text for the operator. */
import { browserId } from './browser-id.js';
import { errorMessage, fromAgent, t } from './language.js';
import { toLogin } from './user.js';

const defaultTimeoutMs = 15_000;

export class ApiError extends Error {
  /** @param {{code: string, message: string, remedy?: string}} error */
  constructor({ code, message, remedy = '' }) {
    super(message);
    this.code = code;
    this.remedy = remedy;
  }
  /** What happened and what to do, for the operator, with the code, which is the same in every language. */
  get text() {
    return problemText(this);
  }
}

/** @param {{code: string, message: string, remedy?: string}} error */
export function problemText({ code, message, remedy }) {
  const what = errorMessage(code, message);
  return `${remedy ? `${what} — ${fromAgent(remedy)}` : what} [${code}]`;
}

/** @param {unknown} error */
export const errorText = (error) => (error instanceof ApiError ? error.text : String(error));

/** @type {Set<(isUp: boolean) => void>} */
const listeners = new Set();
/** Whether the agent answers, whatever the answer is. */
export const connection = {
  isUp: true,
  /** @param {(isUp: boolean) => void} listener */
  onChange: (listener) => void listeners.add(listener),
};

/** @param {boolean} isUp */
function setConnection(isUp) {
  if (connection.isUp === isUp) return;
  connection.isUp = isUp;
  for (const listener of listeners) listener(isUp);
}

/**
 * @param {string} path @param {RequestInit} options @param {number} [timeoutMs]
 * @throws {ApiError}
 */
async function request(path, options, timeoutMs = defaultTimeoutMs) {
  /** @type {Response} */
  let response;
  try {
    const headers = { ...options.headers, 'x-qc-client': browserId };
    response = await fetch(path, { ...options, headers, signal: AbortSignal.timeout(timeoutMs) });
  } catch {
    setConnection(false);
    throw new ApiError({
      code: 'link-lost',
      message: t('no connection to the agent'),
      remedy: t('nothing was changed'),
    });
  }
  setConnection(true);
  if (response.ok) return response;
  if (response.status === 401) toLogin();
  const body = await response.json().catch(() => undefined);
  throw new ApiError(
    body?.error ?? {
      code: 'internal',
      message: t('the agent answered with status {status}', { status: String(response.status) }),
    },
  );
}

/**
 * @param {string} path @param {number} [timeoutMs]
 * @returns {Promise<any>} the body; the caller states its type
 */
export const get = async (path, timeoutMs) => (await request(path, {}, timeoutMs)).json();

/**
 * @param {'POST' | 'PATCH'} method @param {string} path @param {object} body @param {number} [timeoutMs]
 * @returns {Promise<any>}
 */
const send = async (method, path, body, timeoutMs) => {
  const headers = { 'content-type': 'application/json' };
  return (await request(path, { method, headers, body: JSON.stringify(body) }, timeoutMs)).json();
};

/**
 * @param {string} path @param {object} [body] @param {number} [timeoutMs]
 * @returns {Promise<any>} the body; the caller states its type
 */
export const post = (path, body = {}, timeoutMs) => send('POST', path, body, timeoutMs);

/**
 * @param {string} path @param {object} body
 * @returns {Promise<any>} the body; the caller states its type
 */
export const patch = (path, body) => send('PATCH', path, body);

const uploadTimeoutMs = 90_000;

/**
 * @param {string} path @param {File} file
 * @returns {Promise<any>} the body; the caller states its type
 */
export const upload = async (path, file) =>
  (
    await request(
      path,
      { method: 'POST', headers: { 'content-type': 'application/octet-stream' }, body: file },
      uploadTimeoutMs,
    )
  ).json();

/** An image that is decoded, so that it appears at once. @param {string} path @returns {Promise<HTMLImageElement>} */
export async function fetchImage(path) {
  const response = await request(path, {});
  const url = URL.createObjectURL(await response.blob());
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    return image;
  } catch {
    throw new ApiError({ code: 'image-unreadable', message: t('the image cannot be read') });
  } finally {
    URL.revokeObjectURL(url);
  }
}

/** @param {string} resultId */
export const candidateImagePath = (resultId) => `api/v1/candidates/${resultId}.png`;
/** @param {string} resultId */
export const evidenceImagePath = (resultId) => `api/v1/evidence/${resultId}.jpg`;
/** @param {string} id */
export const frameImagePath = (id) => `api/v1/dataset/frames/${id}.png`;
/** @param {string} id */
export const frameThumbnailPath = (id) => `${frameImagePath(id)}?width=160`;
/** @param {string} id */
export const frameMarksPath = (id) => `api/v1/dataset/frames/${id}/marks`;
/** @param {string} id */
export const frameHeatMapPath = (id) => `api/v1/dataset/frames/${id}/why.png`;
