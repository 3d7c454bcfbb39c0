/**
 * Reads the payload of a command as PLCs send it: JSON in UTF-8, optionally with a byte order mark or padded with NUL or
 * spaces.
 */
import { QcError } from '../../config/errors.ts';
import type { Reply } from './messages.ts';

/** @throws QcError command-invalid, that names the wrong byte */
export function readPayload(payload: Uint8Array): unknown {
  const bytes = unpadded(payload);
  const nul = bytes.indexOf(0);
  if (nul >= 0)
    throw wrongByte(payload, bytes.byteOffset - payload.byteOffset + nul, 'there is text after a NUL');
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    const at = bytes.byteOffset - payload.byteOffset + firstInvalid(bytes);
    const character = new TextDecoder('windows-1252').decode(payload.subarray(at, at + 1));
    const why = `not UTF-8, it would be "${character}" in Windows-1252: send UTF-8, or letters without accents`;
    throw wrongByte(payload, at, why);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    if (text.trim() === '') throw new QcError('command-invalid', 'the command is empty', { cause: error });
    throw new QcError(
      'command-invalid',
      `the command is not JSON: ${(error as Error).message.slice(0, 200)}`,
      {
        cause: error,
      },
    );
  }
}

/** Fields of a command that its reply repeats, so that the sender can match them. */
export type CommandEcho = Pick<Reply, 'camera' | 'partId' | 'requestId'> & { readonly jobId?: string };

/** Reads as many of these fields as possible from an invalid command. */
export function echoOf(payload: Uint8Array): CommandEcho {
  const command = leniently(payload);
  const echo: Record<string, string> = {};
  for (const key of ['camera', 'partId', 'requestId', 'jobId'] as const) {
    const value = Object.hasOwn(command, key) ? command[key] : undefined;
    const text = typeof value === 'number' ? String(value) : value;
    if (typeof text === 'string' && text.length > 0 && text.length <= 128) echo[key] = text;
  }
  return echo;
}

function leniently(payload: Uint8Array): Record<string, unknown> {
  const bytes = unpadded(payload);
  // Works with both encodings: keys and most ids are ASCII.
  for (const encoding of ['utf-8', 'windows-1252']) {
    try {
      const command: unknown = JSON.parse(new TextDecoder(encoding, { fatal: true }).decode(bytes));
      return typeof command === 'object' && command !== null ? (command as Record<string, unknown>) : {};
    } catch {}
  }
  return {};
}

/** Removes a byte order mark, and the NUL bytes and white space of a buffer that is longer than its text. */
function unpadded(payload: Uint8Array): Uint8Array {
  const start = payload[0] === 0xef && payload[1] === 0xbb && payload[2] === 0xbf ? 3 : 0;
  let end = payload.length;
  while (end > start && padding.has(payload[end - 1]!)) end--;
  return payload.subarray(start, end);
}
const padding: ReadonlySet<number> = new Set([0x00, 0x09, 0x0a, 0x0d, 0x20]);

/** Offset of the first byte that is not UTF-8. */
function firstInvalid(bytes: Uint8Array): number {
  let offset = 0;
  for (const character of new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)) {
    const isReplaced =
      character === '\uFFFD' &&
      !(bytes[offset] === 0xef && bytes[offset + 1] === 0xbf && bytes[offset + 2] === 0xbd);
    if (isReplaced) return offset;
    offset += Buffer.byteLength(character);
  }
  return offset;
}

function wrongByte(payload: Uint8Array, at: number, why: string): QcError {
  const hex = payload[at]!.toString(16).padStart(2, '0').toUpperCase();
  return new QcError('command-invalid', `byte 0x${hex} at offset ${at} is wrong: ${why}`);
}
