/** The person behind a request. */
import type { Author } from '../dataset/state.ts';

export interface Person {
  readonly name: string;
  readonly role: 'viewer' | 'operator' | 'engineer';
  readonly isLoggedIn: boolean;
  /** The browser, as it names itself in `x-qc-client`. */
  readonly client?: string | undefined;
}

export const authorOf = ({ name, client }: Person): Author => ({ by: name, client });

/** For whom parts are kept: somebody who may label and can be told from others. */
export const holderOf = (person: Person): Author | undefined =>
  person.role !== 'viewer' && (person.isLoggedIn || person.client !== undefined)
    ? authorOf(person)
    : undefined;
