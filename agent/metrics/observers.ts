import type { CameraObserver } from '../camera/feed.ts';
import type { HandshakeObserver } from '../handshake/handshake.ts';
import type { PublisherObserver } from '../publish/publisher.ts';
import type { SparkplugObserver, SparkplugOptions } from '../publish/sparkplug/sparkplug.ts';
import type { Metrics } from './metrics.ts';

/** Counts events of the cameras; `onChange` is called when one comes up or goes down. */
export function cameraObserver(metrics: Metrics, onChange: () => void): CameraObserver {
  return {
    up: onChange,
    down: onChange,
    reconnected: (camera) => metrics.cameraReconnects.inc({ camera }),
    received: (camera, frames) => metrics.framesReceived.inc({ camera }, frames),
    dropped: (camera, reason, frames) => metrics.framesDropped.inc({ camera, reason }, frames),
    fault: (camera, reason) => metrics.cameraFaults.inc({ camera, reason }),
    condition(camera, condition, text) {
      metrics.cameraCondition.set({ camera, condition }, text ? 1 : 0);
      onChange();
    },
  };
}

/** Counts triggers by their outcome. */
export function handshakeObserver(metrics: Metrics): HandshakeObserver {
  return {
    done: (camera, outcome) => metrics.jobsDone.inc({ camera, outcome }),
    refused: (camera, reason) => metrics.triggersRefused.inc({ camera, reason }),
    unacknowledged: (camera) => metrics.resultsUnacknowledged.inc({ camera }),
  };
}

/** Counts acknowledged and refused messages; `onChange` is called when the broker connects or disconnects. */
export function publisherObserver(
  metrics: Metrics,
  onChange: () => void,
  notice: PublisherObserver['notice'],
): PublisherObserver {
  return {
    connected(on) {
      metrics.mqttConnected.set(on ? 1 : 0);
      onChange();
    },
    published(kind, part) {
      metrics.mqttPublished.inc({ kind });
      if (part) metrics.partPublished(part);
    },
    refused: (kind, reason) => metrics.mqttRefused.inc({ kind, reason }),
    notice,
  };
}

/** Exposes whether the edge node is online, and counts its messages. */
export function sparkplugObserver(
  metrics: Metrics,
  { groupId: group, edgeNodeId: node }: Pick<SparkplugOptions, 'groupId' | 'edgeNodeId'>,
  notice: SparkplugObserver['notice'],
): SparkplugObserver {
  return {
    connected: (on) => metrics.sparkplugConnected.set({ group, node }, on ? 1 : 0),
    published: (type) => metrics.sparkplugPublished.inc({ type }),
    refused: (kind, reason) => metrics.mqttRefused.inc({ kind, reason }),
    notice,
  };
}
