/** The person behind a request. */
import type { Author } from '../dataset/state.ts';

export interface Person {
  readonly name: string;
  readonly role: 'viewer' | 'operator' | 'engineer';
  readonly isLoggedIn: boolean;
  /** The browser's id from `x-qc-client`. */
  readonly client?: string | undefined;
}

export const authorOf = ({ name, client }: Person): Author => ({ by: name, client });

/** The holder of reservations: someone who may label and is identifiable. */
export const holderOf = (person: Person): Author | undefined =>
  person.role !== 'viewer' && (person.isLoggedIn || person.client !== undefined)
    ? authorOf(person)
    : undefined;
