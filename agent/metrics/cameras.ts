/** Metrics of the cameras. */
import type { ErrorCode } from '../../config/errors.ts';
import { cameraConditions } from '../camera/condition.ts';
import type { DropReason } from '../camera/source.ts';
import type { Declare } from './declare.ts';

/** Values of a camera that are read at each scrape. */
export interface CameraReading {
  readonly camera: string;
  readonly up: boolean;
  readonly newestAgeMs: number | undefined;
  readonly lagMs: number | undefined;
  readonly drift: number;
}

const dropReasons = [
  'overwritten',
  'busy',
  'corrupt',
  'recut',
  'overload',
] as const satisfies readonly DropReason[];
/** Faults of a camera that have their own alerts. */
const alarmed = ['camera-frozen', 'camera-stalled'] as const satisfies readonly ErrorCode[];

export function declareCameras({ counter, gauge }: Declare) {
  const cameras = new Map<string, () => CameraReading>();
  gauge('qc_camera_up', '1 while frames arrive', ['camera'], function () {
    for (const read of cameras.values()) {
      const { camera, up } = read();
      this.set({ camera }, up ? 1 : 0);
    }
  });
  gauge('qc_frame_age_seconds', 'Age of the newest frame, from its capture', ['camera'], function () {
    for (const read of cameras.values()) {
      const { camera, newestAgeMs } = read();
      if (newestAgeMs !== undefined) this.set({ camera }, newestAgeMs / 1000);
    }
  });
  gauge(
    'qc_camera_lag_seconds',
    'Delay from capture to arrival of the newest frames of the last second, as far as the stream shows it',
    ['camera'],
    function () {
      for (const read of cameras.values()) {
        const { camera, lagMs } = read();
        if (lagMs !== undefined) this.set({ camera }, lagMs / 1000);
      }
    },
  );
  gauge(
    'qc_camera_clock_drift_ratio',
    'Relative rate of the stream timestamps: positive if they run slower than the clock of this machine',
    ['camera'],
    function () {
      for (const read of cameras.values()) {
        const { camera, drift } = read();
        this.set({ camera }, drift);
      }
    },
  );
  const metrics = {
    cameraReconnects: counter('qc_camera_reconnects_total', 'Reconnections of a camera', ['camera']),
    cameraFaults: counter('qc_camera_faults_total', 'Losses of a camera by reason', ['camera', 'reason']),
    framesReceived: counter('qc_frames_received_total', 'Frames delivered by the decoder', ['camera']),
    framesDropped: counter(
      'qc_frames_dropped_total',
      'Frames that were dropped before they were judged, by reason',
      ['camera', 'reason'],
    ),
  };
  const cameraCondition = gauge(
    'qc_camera_condition',
    '1 while a camera that delivers frames has this condition',
    ['camera', 'condition'],
  );
  return {
    ...metrics,
    cameraCondition,
    /** Reads the camera at every scrape. Counters start at 0, so that the first event is an increase. */
    watchCamera(camera: string, read: () => CameraReading): void {
      cameras.set(camera, read);
      metrics.cameraReconnects.inc({ camera }, 0);
      for (const condition of cameraConditions) cameraCondition.set({ camera, condition }, 0);
      for (const reason of alarmed) metrics.cameraFaults.inc({ camera, reason }, 0);
      for (const reason of dropReasons) metrics.framesDropped.inc({ camera, reason }, 0);
    },
  };
}
