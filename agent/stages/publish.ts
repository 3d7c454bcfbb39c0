/** The connections to the broker: messages over MQTT, and the Sparkplug edge node if one is configured. */
import { commandRecorder } from '../audit/record-commands.ts';
import type { Control } from '../control.ts';
import type { Inspections } from '../inspections.ts';
import { Closer } from '../lifecycle/closer.ts';
import { publisherObserver, sparkplugObserver } from '../metrics/observers.ts';
import type { Result } from '../publish/messages.ts';
import type { Letter } from '../publish/outbox/outbox.ts';
import { lettersOf } from '../publish/part-messages.ts';
import { openPublisher } from '../publish/publisher.ts';
import { openSparkplug, sparkplugOptions } from '../publish/sparkplug/sparkplug.ts';
import type { Core } from './core.ts';
import type { ModelStage } from './model.ts';
import type { Records } from './records.ts';

export interface PublishDeps {
  readonly records: Records;
  readonly model: ModelStage;
  readonly control: Control;
  readonly inspections: Inspections;
}

export interface PublishStage extends AsyncDisposable {
  /** All messages about a result, to be put into the outbox together. */
  letters(result: Result): Letter[];
  /** To be called when the retained handshakes have changed. */
  handshakesChanged(): void;
  /** To be called when the state of the station has changed. */
  stationChanged(): void;
}

/** Connects in the background: inspection does not depend on the broker. */
export async function openPublish(
  { config, log, metrics, station }: Core,
  { records, model, control, inspections }: PublishDeps,
): Promise<PublishStage> {
  await using opened = new Closer();
  const { outbox, mqttOutbox, audit } = records;
  const publisher = opened.use(
    await openPublisher(config.mqtt, {
      log,
      outbox: mqttOutbox,
      commands: control,
      recorder: commandRecorder(audit, config.mqtt.topic),
      status: () => station.status,
      handshakes: () => inspections.handshakes,
      needsCommands: Object.values(config.cameras).some(({ trigger }) => trigger.kind === 'command'),
      observer: publisherObserver(
        metrics,
        () => station.changed(),
        (text) => station.notice('mqtt', text),
      ),
    }),
  );
  station.watch({ broker: () => publisher });
  const edgeNode = sparkplugOptions(config);
  const sparkplug =
    edgeNode &&
    opened.use(
      await openSparkplug(edgeNode, {
        log,
        store: outbox,
        up: (camera) => inspections.get(camera)?.feed.up === true,
        facts: () => ({
          station: config.station,
          status: station.status,
          recipe: model.inForce.active,
          model: model.live?.info,
        }),
        observer: sparkplugObserver(metrics, edgeNode, (text) =>
          station.notice('sparkplug', text && `Sparkplug: ${text}`),
        ),
      }),
    );
  const all = opened.move();
  return {
    letters(result) {
      const letters = lettersOf(result, mqttOutbox);
      return sparkplug ? [...letters, sparkplug.letter(result)] : letters;
    },
    handshakesChanged: () => publisher.handshakesChanged(),
    stationChanged() {
      publisher.statusChanged();
      publisher.handshakesChanged();
      sparkplug?.changed();
    },
    [Symbol.asyncDispose]: () => all[Symbol.asyncDispose](),
  };
}
