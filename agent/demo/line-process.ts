/** Entry of the line's process: draws, encodes and serves images, and ends with its parent. */
import { setTimeout as sleep } from 'node:timers/promises';
import { openSimulatedCamera, type SimulatedCamera } from './camera.ts';
import { openConveyor } from './conveyor.ts';
import { regionOf } from './layout.ts';
import type { FromLine, LineOptions, ToLine } from './line-protocol.ts';

// The parent stops the line by closing the channel, also by a crash; Ctrl-C in a terminal is handled by the parent.
process.on('SIGINT', () => undefined);
process.on('disconnect', () => process.exit(0));

function tell(message: FromLine): void {
  if (process.connected) process.send?.(message, () => undefined);
}

async function open(options: LineOptions): Promise<SimulatedCamera> {
  const { codec = 'h264', width = 640, height = 480, fps = 12, partsPerMinute = 60, seed = 1 } = options;
  const startedAt = Date.now();
  const startedMs = performance.now();
  const conveyor = openConveyor({ partsPerMinute, seed, startedAt });
  const { user, password, port } = options;
  const camera = await openSimulatedCamera({
    codec,
    width,
    height,
    fps,
    draw: conveyor.draw,
    user,
    password,
    port,
  });
  tell({ kind: 'opened', url: camera.url, region: regionOf(width, height) });
  void reportTruths(conveyor.truthOf, () => startedAt + performance.now() - startedMs);
  return camera;
}

/** Reports each part when it enters the region. */
async function reportTruths(
  truthOf: ReturnType<typeof openConveyor>['truthOf'],
  now: () => number,
): Promise<never> {
  for (let serial = 1; ; serial++) {
    const truth = truthOf(serial);
    await sleep(Math.max(0, truth.enteredAt - now()));
    tell({ kind: 'truth', truth });
  }
}

async function call(camera: SimulatedCamera, message: Extract<ToLine, { kind: 'call' }>): Promise<void> {
  switch (message.name) {
    case 'disconnectAll':
      return camera.disconnectAll();
    case 'stall':
      return camera.stall(...message.args);
    case 'freeze':
      return camera.freeze(...message.args);
    case 'corrupt':
      return camera.corrupt(...message.args);
    case 'resize':
      return camera.resize(...message.args);
    case 'stop':
      return camera.stop();
    case 'start':
      return camera.start();
  }
}

let camera: Promise<SimulatedCamera> | undefined;

process.on('message', async (message: ToLine) => {
  try {
    if (message.kind === 'open') {
      camera = open(message.options);
      await camera;
    } else if (camera) {
      await call(await camera, message);
      tell({ kind: 'done', id: message.id });
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    tell(
      message.kind === 'open' ? { kind: 'failed', reason } : { kind: 'done', id: message.id, error: reason },
    );
  }
});
