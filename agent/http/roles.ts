/** The roles of the HTTP interface. */

/** Each role may do everything that the ones before it may do. */
export const roles = ['viewer', 'operator', 'engineer'] as const;
export type Role = (typeof roles)[number];

export function isRole(text: string): text is Role {
  return (roles as readonly string[]).includes(text);
}

/** Whether someone with the role `has` may do what needs the role `needs`. */
export function mayAct(has: Role | 'none', needs: Role): boolean {
  return has !== 'none' && roles.indexOf(has) >= roles.indexOf(needs);
}
