/** A simulated camera: a shutter behind an RTSP server. */
import { Closer } from '../lifecycle/closer.ts';
import { openRtspServer, type RtspServer, type RtspServerOptions } from './rtsp/server.ts';
import { openShutter, type Shutter, type ShutterOptions } from './shutter.ts';

export type SimulatedCamera = RtspServer & Pick<Shutter, 'freeze' | 'resize'>;
export type SimulatedCameraOptions = ShutterOptions & Omit<RtspServerOptions, 'source'>;

/** Opens a camera that shows the images of `draw`; RTSP clients can connect once it is open. */
export async function openSimulatedCamera(
  options: SimulatedCameraOptions,
): Promise<SimulatedCamera & AsyncDisposable> {
  await using opened = new Closer();
  const shutter = opened.use(await openShutter(options));
  const server = opened.use(await openRtspServer({ ...options, source: shutter }));
  const closer = opened.move();
  return {
    get url() {
      return server.url;
    },
    get port() {
      return server.port;
    },
    get clients() {
      return server.clients;
    },
    get dropped() {
      return server.dropped;
    },
    disconnectAll: server.disconnectAll,
    stall: server.stall,
    corrupt: server.corrupt,
    lose: server.lose,
    stop: server.stop,
    start: server.start,
    freeze: shutter.freeze,
    resize: shutter.resize,
    [Symbol.asyncDispose]: () => closer[Symbol.asyncDispose](),
  };
}
