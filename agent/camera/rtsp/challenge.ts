/** Parses the challenges of a 401 reply (RFC 7235 section 2.1): any number of them, in any number of header fields. */

export interface Challenge {
  /** In lower case: `basic`, `digest`. */
  readonly scheme: string;
  /** Names in lower case, values without their quotes. */
  readonly parameters: ReadonlyMap<string, string>;
}

const word = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y;
/** A quoted value without a closing quote ends with the field; an unquoted value ends at a comma or a space. */
const assignment = /\s*=\s*(?:"((?:[^"\\]|\\.)*)(?:"|$)|([^\s,]*))/y;

/** Reads the values of all WWW-Authenticate fields; invalid parts are skipped. */
export function readChallenges(values: readonly string[]): Challenge[] {
  return values.flatMap(readField);
}

/** The parameters of Authentication-Info (RFC 7616 section 3.5), which have no scheme. */
export function readParameters(value: string): ReadonlyMap<string, string> {
  return readField(`info ${value}`)[0]?.parameters ?? new Map();
}

function readField(text: string): Challenge[] {
  const found: { scheme: string; parameters: Map<string, string> }[] = [];
  let afterComma = true;
  for (let at = 0; at < text.length; ) {
    word.lastIndex = at;
    const name = word.exec(text)?.[0].toLowerCase();
    if (name === undefined) {
      if (text[at] === ',') afterComma = true;
      at++;
      continue;
    }
    at += name.length;
    assignment.lastIndex = at;
    const value = assignment.exec(text);
    const current = found.at(-1);
    if (value && current) {
      current.parameters.set(name, value[1]?.replace(/\\(.)/gs, '$1') ?? value[2] ?? '');
      at = assignment.lastIndex;
    } else if (!value && afterComma) {
      found.push({ scheme: name, parameters: new Map() });
    }
    afterComma = false;
  }
  return found;
}
