/** ffmpeg before a camera with nothing behind it: the floor that no reader of the stream gets below by much. */
import type { Command } from './peers/peer.ts';

const reading = (url: string, output: readonly string[]): Command => ({
  program: 'ffmpeg',
  args: [
    ...['-nostdin', '-v', 'error', '-threads', '1', '-rtsp_transport', 'tcp', '-i', url],
    ...[...output, '-f', 'null', '-'],
  ],
});

/** Decodes every frame and throws it away. */
export const decodesOnly = (url: string): Command => reading(url, ['-fps_mode', 'passthrough']);

/** Takes the stream and decodes nothing. */
export const receivesOnly = (url: string): Command => reading(url, ['-c', 'copy']);
