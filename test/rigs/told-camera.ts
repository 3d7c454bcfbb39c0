/** A camera that shows to people who aim it what the test tells it to. */
import type { AimCamera } from '../../agent/http/aim-channel.ts';
import type { PresenceLook } from '../../agent/part/watch.ts';
import { monotonicMs } from '../../models/run/monotonic.ts';

export const toldRegion = { x: 0.25, y: 0, width: 0.5, height: 1 };

type State = ReturnType<AimCamera['state']>;

export function toldCamera(over: Partial<State> = {}, name = 'top') {
  const viewers = new Set<Parameters<AimCamera['watch']>[0]>();
  const state: { -readonly [Key in keyof State]: State[Key] } = {
    up: true,
    problem: '',
    trigger: 'presence',
    region: toldRegion,
    regionSetting: `cameras.${name}.region`,
    ...over,
  };
  const camera: AimCamera = {
    watch(viewer) {
      viewers.add(viewer);
      return { [Symbol.dispose]: () => void viewers.delete(viewer) };
    },
    state: () => state,
  };
  return {
    viewers,
    state,
    aim: (asked: string) => (asked === name ? camera : undefined),
    image(jpeg: Uint8Array, focus = 12, bright = 0.5) {
      const figures = { focus, dark: 0, bright, histogram: Array<number>(32).fill(1 / 32) };
      const [size, frame] = [
        { width: 960, height: 540 },
        { width: 1920, height: 1080 },
      ];
      const image = { jpeg, size, frame, region: state.region, figures, capturedAt: Date.now() };
      for (const viewer of viewers) viewer.image(image);
    },
    look(look: Partial<PresenceLook>) {
      const all = { at: monotonicMs(), state: 'empty' as const, enter: 0.06, leave: 0.03, confirmed: true };
      for (const viewer of viewers) viewer.looked({ ...all, ...look });
    },
    found(partId: string) {
      for (const viewer of viewers) viewer.found(partId);
    },
  };
}
