/** What calibration uses of the agent's log; a pino logger fits. */
export interface Log {
  info(text: string): void;
  info(facts: object, text: string): void;
  warn(text: string): void;
  child(bindings: { readonly component: string }): Log;
}
