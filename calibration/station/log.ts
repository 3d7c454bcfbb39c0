/** The part of the agent's logger (pino) that calibration uses. */
export interface Log {
  info(text: string): void;
  info(facts: object, text: string): void;
  warn(text: string): void;
  child(bindings: { readonly component: string }): Log;
}
