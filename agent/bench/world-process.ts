/**
 * Entry of the process that simulates everything outside (cameras and broker), so that their cost is separate from the
 * agent's.
 */
import { openBroker } from '../demo/broker.ts';
import { regionOf } from '../demo/layout.ts';
import { openRtspServer } from '../demo/rtsp/server.ts';
import { makeClip, playClip } from './clip.ts';
import type { FromWorld, WorldOptions } from './world.ts';

// The parent ends it by closing the channel, also by a crash; Ctrl-C in a terminal is handled by the parent.
process.on('SIGINT', () => undefined);
process.on('disconnect', () => process.exit(0));

async function open({ cameras, ...clip }: WorldOptions): Promise<FromWorld> {
  const broker = await openBroker();
  const pictures = await makeClip(clip);
  const urls: string[] = [];
  // The golden ratio spreads any number of phases evenly.
  for (let at = 0; at < cameras; at++) {
    const source = playClip(pictures, clip.fps, (at * 0.618_034) % 1);
    urls.push((await openRtspServer({ source })).url);
  }
  return { kind: 'opened', urls, broker: broker.url, region: regionOf(clip.width, clip.height) };
}

process.on('message', async (options: WorldOptions) => {
  const answer = await open(options).catch(
    (error): FromWorld => ({ kind: 'failed', reason: (error as Error).message }),
  );
  process.send?.(answer);
});
