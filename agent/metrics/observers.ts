import type { CameraObserver } from '../camera/feed.ts';
import type { HandshakeObserver } from '../handshake/handshake.ts';
import type { PublisherObserver } from '../publish/publisher.ts';
import type { SparkplugObserver, SparkplugOptions } from '../publish/sparkplug/sparkplug.ts';
import type { Metrics } from './metrics.ts';

/** Counts what happens to the cameras; `onChange` is told when one comes or goes. */
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

/** Counts what the broker has acknowledged or refused; `onChange` is told when it comes or goes. */
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

/** Shows whether the edge node is born, and counts what it sends. */
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
