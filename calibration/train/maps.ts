/** The maps of a base's stages. */
import type { CellBlock } from '../../models/cells.ts';
import type { Session } from '../../models/run/session.ts';

/** Sizes of the maps of stages 2 and 3; undefined if the base does not give both. */
export function bothMaps({ facts }: Pick<Session, 'facts'>): CellBlock['maps'] | undefined {
  const [stage2, stage3] = [
    facts.maps.find(({ name }) => name === 'stage2'),
    facts.maps.find(({ name }) => name === 'stage3'),
  ];
  return stage2 && stage3 && { stage2, stage3 };
}
