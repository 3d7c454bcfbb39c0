/** Messages between the line's process and its parent (Node IPC without advanced serialisation). */
import type { Region } from '../../models/image.ts';
import type { Codec } from './rtsp/payload.ts';
import type { Truth } from './truth.ts';

export interface LineOptions {
  readonly codec?: Codec;
  /** Even numbers, pixels. */
  readonly width?: number;
  readonly height?: number;
  readonly fps?: number;
  readonly partsPerMinute?: number;
  /** The same seed draws the same parts in the same order. */
  readonly seed?: number;
  readonly user?: string;
  readonly password?: string;
  /** 0, the default: any free port on 127.0.0.1. */
  readonly port?: number | undefined;
}

/** Calls to the line with their arguments. */
export interface LineCalls {
  disconnectAll: [];
  stall: [on: boolean];
  freeze: [on: boolean];
  corrupt: [share: number, seed?: number];
  resize: [width: number, height: number];
  stop: [];
  start: [];
}

export type ToLine =
  | { readonly kind: 'open'; readonly options: LineOptions }
  | {
      [Name in keyof LineCalls]: {
        readonly kind: 'call';
        readonly id: number;
        readonly name: Name;
        readonly args: LineCalls[Name];
      };
    }[keyof LineCalls];

export type FromLine =
  | { readonly kind: 'opened'; readonly url: string; readonly region: Region }
  | { readonly kind: 'failed'; readonly reason: string }
  | { readonly kind: 'done'; readonly id: number; readonly error?: string }
  | { readonly kind: 'truth'; readonly truth: Truth };
