/**
 * Reads the video streams of an ONVIF device: GetSystemDateAndTime and GetCapabilities of its device service, GetProfiles and
 * GetStreamUri of its media service. Log-in by WS-UsernameToken with digest (ONVIF Core clause 5.9.4), with the
 * time of the device, because devices refuse a token of another time.
 */
import { createHash, randomBytes } from 'node:crypto';
import { QcError } from '../../config/errors.ts';
import type { CameraStream, StreamsRequest } from '../http/setup-tools.ts';
import { childNamed, parseXml, textOf } from './xml.ts';

const device = 'http://www.onvif.org/ver10/device/wsdl';
const media = 'http://www.onvif.org/ver10/media/wsdl';
const timeoutMs = 5_000;
const maxProfiles = 20;
const maxBytes = 262_144;

/** @throws QcError onvif-failed, camera-unauthorized */
export async function readStreams(
  { address, user, password }: StreamsRequest,
  signal: AbortSignal,
): Promise<CameraStream[]> {
  const offsetMs = await clockOffset(address, signal);
  const ask = (url: string, namespace: string, body: string) =>
    call(url, { namespace, body, security: securityOf(user, password, offsetMs), signal });

  const capabilities = await ask(
    address,
    device,
    '<GetCapabilities xmlns="@"><Category>Media</Category></GetCapabilities>',
  );
  const service = textOf(
    childNamed(capabilities, 'GetCapabilitiesResponse', 'Capabilities', 'Media', 'XAddr'),
  );
  // A device behind a router names its own address, and no other host may get the password.
  const mediaAddress = onHostOf(address, service || address);
  const profiles = await ask(mediaAddress, media, '<GetProfiles xmlns="@"/>');
  const listed = childNamed(profiles, 'GetProfilesResponse', 'Profiles');
  const all = (Array.isArray(listed) ? listed : [listed]).filter((one) => one !== undefined);
  const streams: CameraStream[] = [];
  for (const profile of all.slice(0, maxProfiles)) {
    const token = textOf(childNamed(profile, '@token'));
    const answer = await ask(
      mediaAddress,
      media,
      `<GetStreamUri xmlns="@"><StreamSetup><Stream xmlns="http://www.onvif.org/ver10/schema">RTP-Unicast</Stream><Transport xmlns="http://www.onvif.org/ver10/schema"><Protocol>RTSP</Protocol></Transport></StreamSetup><ProfileToken>${escaped(token)}</ProfileToken></GetStreamUri>`,
    );
    const uri = textOf(childNamed(answer, 'GetStreamUriResponse', 'MediaUri', 'Uri'));
    if (!/^rtsps?:\/\//.test(uri)) continue;
    const encoder = childNamed(profile, 'VideoEncoderConfiguration');
    streams.push({
      name: textOf(childNamed(profile, 'Name')) || token,
      url: withUser(uri, user),
      codec: textOf(childNamed(encoder, 'Encoding')),
      width: Number(textOf(childNamed(encoder, 'Resolution', 'Width'))) || 0,
      height: Number(textOf(childNamed(encoder, 'Resolution', 'Height'))) || 0,
    });
  }
  if (streams.length === 0) throw failed(address, 'it names no RTSP stream');
  return streams;
}

const failed = (address: string, why: string) =>
  new QcError('onvif-failed', `the ONVIF service at ${new URL(address).host} cannot be used: ${why}`);

/** How far the clock of the device is ahead, ms; 0 if it does not say. */
async function clockOffset(address: string, signal: AbortSignal): Promise<number> {
  const answer = await call(address, {
    namespace: device,
    body: '<GetSystemDateAndTime xmlns="@"/>',
    security: '',
    signal,
  }).catch((error: unknown) => {
    // Some devices want a log-in even for the time.
    if (error instanceof QcError && error.code === 'camera-unauthorized') return undefined;
    throw error;
  });
  const utc = childNamed(answer, 'GetSystemDateAndTimeResponse', 'SystemDateAndTime', 'UTCDateTime');
  const value = (...names: string[]) => Number(textOf(childNamed(utc, ...names)));
  const at = Date.UTC(
    value('Date', 'Year'),
    value('Date', 'Month') - 1,
    value('Date', 'Day'),
    value('Time', 'Hour'),
    value('Time', 'Minute'),
    value('Time', 'Second'),
  );
  return utc === undefined || Number.isNaN(at) ? 0 : at - Date.now();
}

/** OASIS Web Services Security UsernameToken Profile 1.0 clause 3.1. */
function securityOf(user: string, password: string, offsetMs: number): string {
  if (user === '') return '';
  const nonce = randomBytes(16);
  const created = new Date(Date.now() + offsetMs).toISOString();
  const digest = createHash('sha1').update(nonce).update(created).update(password).digest('base64');
  const wsse = 'http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd';
  const wsu = 'http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd';
  const profile = 'http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0';
  const encoding = 'http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0';
  return `<Security xmlns="${wsse}"><UsernameToken><Username>${escaped(user)}</Username><Password Type="${profile}#PasswordDigest">${digest}</Password><Nonce EncodingType="${encoding}#Base64Binary">${nonce.toString('base64')}</Nonce><Created xmlns="${wsu}">${created}</Created></UsernameToken></Security>`;
}

interface Call {
  readonly namespace: string;
  /** With @ for the namespace. */
  readonly body: string;
  readonly security: string;
  readonly signal: AbortSignal;
}

/** @returns the body of the answer */
async function call(address: string, { namespace, body, security, signal }: Call): Promise<unknown> {
  const unreachable = (error: Error) => {
    signal.throwIfAborted();
    throw failed(address, (error.cause as Error | undefined)?.message ?? error.message);
  };
  const envelope = `<?xml version="1.0" encoding="UTF-8"?><Envelope xmlns="http://www.w3.org/2003/05/soap-envelope"><Header>${security}</Header><Body>${body.replace('@', namespace)}</Body></Envelope>`;
  const answer = await fetch(address, {
    method: 'POST',
    body: envelope,
    headers: { 'content-type': 'application/soap+xml; charset=utf-8' },
    redirect: 'error',
    signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
  }).catch(unreachable);
  const text = await limitedText(answer).catch(unreachable);
  if (text === undefined) throw failed(address, 'its answer is too long');
  const content = childNamed(parseXml(text), 'Envelope', 'Body');
  const fault = JSON.stringify(childNamed(content, 'Fault') ?? '');
  if (answer.status === 401 || /NotAuthorized|FailedAuthentication/i.test(fault)) {
    throw new QcError(
      'camera-unauthorized',
      `the ONVIF service at ${new URL(address).host} refuses the log-in`,
    );
  }
  if (!answer.ok) throw failed(address, `it answers with status ${answer.status}`);
  if (content === undefined) throw failed(address, 'its answer is not SOAP');
  return content;
}

/** @returns undefined if it is longer than maxBytes; the rest is not received */
async function limitedText({ body }: Response): Promise<string | undefined> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  // Leaving the loop closes the connection.
  for await (const chunk of body ?? []) {
    bytes += chunk.length;
    if (bytes > maxBytes) return undefined;
    chunks.push(chunk);
  }
  return new TextDecoder().decode(Buffer.concat(chunks));
}

function onHostOf(address: string, service: string): string {
  if (!URL.canParse(service)) return address;
  const url = new URL(service);
  url.hostname = new URL(address).hostname;
  return url.href;
}

function withUser(uri: string, user: string): string {
  const plain = uri.replace(/^(rtsps?:\/\/)[^@/]*@/, '$1');
  return user === '' ? plain : plain.replace('://', `://${encodeURIComponent(user)}@`);
}

const escaped = (text: string) => text.replace(/[<>&"']/g, (character) => `&#${character.charCodeAt(0)};`);
