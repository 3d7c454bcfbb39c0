/** ffmpeg reads a camera and discards everything: a lower bound for the CPU time of any reader of the stream. */
import type { Command } from './peers/peer.ts';

const reading = (url: string, output: readonly string[]): Command => ({
  program: 'ffmpeg',
  args: [
    ...['-nostdin', '-v', 'error', '-threads', '1', '-rtsp_transport', 'tcp', '-i', url],
    ...[...output, '-f', 'null', '-'],
  ],
});

/** Decodes every frame and discards it. */
export const decodesOnly = (url: string): Command => reading(url, ['-fps_mode', 'passthrough']);

/** Receives the stream without decoding it. */
export const receivesOnly = (url: string): Command => reading(url, ['-c', 'copy']);
