/** Talks to the agent. What fails does so as an ApiError with words for the operator. */
import { browserId } from './browser-id.js';
import { toLogin } from './user.js';

const patienceMs = 15_000;

export class ApiError extends Error {
  /** @param {{code: string, message: string, remedy?: string}} error */
  constructor({ code, message, remedy = '' }) {
    super(message);
    this.code = code;
    this.remedy = remedy;
  }
  /** As the operator reads it. */
  get words() {
    return this.remedy ? `${this.message} — ${this.remedy}` : this.message;
  }
}

const linkListeners = new Set();
/** Whether the agent answers at all; what it answers is another matter. */
export const link = {
  isUp: true,
  /** @param {(isUp: boolean) => void} listener */
  onChange: (listener) => void linkListeners.add(listener),
};

function setLink(isUp) {
  if (link.isUp === isUp) return;
  link.isUp = isUp;
  for (const listener of linkListeners) listener(isUp);
}

async function ask(path, options, timeoutMs = patienceMs) {
  let response;
  try {
    const headers = { ...options.headers, 'x-qc-client': browserId };
    response = await fetch(path, { ...options, headers, signal: AbortSignal.timeout(timeoutMs) });
  } catch {
    setLink(false);
    throw new ApiError({
      code: 'link-lost',
      message: 'no connection to the agent',
      remedy: 'nothing was changed',
    });
  }
  setLink(true);
  if (response.ok) return response;
  if (response.status === 401) toLogin();
  const body = await response.json().catch(() => undefined);
  throw new ApiError(body?.error ?? { code: 'internal', message: `the agent answered ${response.status}` });
}

/** @param {string} path @param {number} [timeoutMs] */
export const get = async (path, timeoutMs) => (await ask(path, {}, timeoutMs)).json();

/** @param {string} path @param {object} [body] */
export const post = async (path, body = {}) =>
  (
    await ask(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  ).json();

/** A picture, ready to be shown without a flash. @returns {Promise<HTMLImageElement>} */
export async function fetchPicture(path) {
  const response = await ask(path, {});
  const url = URL.createObjectURL(await response.blob());
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    return image;
  } catch {
    throw new ApiError({ code: 'image-unreadable', message: 'the picture cannot be read' });
  } finally {
    URL.revokeObjectURL(url);
  }
}

export const candidatePicture = (resultId) => `api/v1/candidates/${resultId}.png`;
export const framePicture = (id) => `api/v1/dataset/frames/${id}.png`;
export const frameThumb = (id) => `${framePicture(id)}?width=160`;
export const frameWhy = (id) => `api/v1/dataset/frames/${id}/why.png`;
