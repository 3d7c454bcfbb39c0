/** The maps of a base's stages. */
import type { CellBlock } from '../../models/cells.ts';
import type { FeatureMap } from '../../models/run/runner.ts';
import type { Session } from '../../models/run/session.ts';

/** Sizes of the maps of stages 2 and 3; undefined if the base does not give both. */
export function bothMaps({ facts }: Pick<Session, 'facts'>): CellBlock['maps'] | undefined {
  const [stage2, stage3] = [
    facts.maps.find(({ name }) => name === 'stage2'),
    facts.maps.find(({ name }) => name === 'stage3'),
  ];
  return stage2 && stage3 && { stage2, stage3 };
}

/** The cells of a map as rows, [cells][channels] row-major; cell y·width + x. */
export function cellsOf({ data, channels }: FeatureMap): Float32Array {
  const cells = data.length / channels;
  const rows = new Float32Array(data.length);
  for (let c = 0; c < channels; c++) {
    for (let i = 0; i < cells; i++) rows[i * channels + c] = data[c * cells + i]!;
  }
  return rows;
}
