/** All topics below the base topic. */
export interface Topics {
  readonly status: string;
  /** Filter for commands: one level, so that replies are not received. */
  readonly commands: string;
  /** Topic of one command, for a broker without wildcards. */
  command(name: string): string;
  result(camera: string): string;
  verdict(camera: string): string;
  handshake(camera: string): string;
  reply(command: string): string;
  /** The name of the command in a topic; undefined for any other topic. */
  commandOf(topic: string): string | undefined;
  /** Whether a reply may be sent to this topic (MQTT 5 §4.10 response topic). */
  acceptsResponse(topic: string): boolean;
}

/** @param base no wildcards, no slash at either end, such as `acme/leipzig/line2/press-3/qc` */
export function topicsUnder(base: string): Topics {
  const command = `${base}/command/`;
  return {
    status: `${base}/status`,
    commands: `${command}+`,
    command: (name) => `${command}${name}`,
    result: (camera) => `${base}/${camera}/result`,
    verdict: (camera) => `${base}/${camera}/verdict`,
    handshake: (camera) => `${base}/${camera}/handshake`,
    reply: (name) => `${command}${name}/reply`,
    commandOf(topic) {
      if (!topic.startsWith(command)) return undefined;
      const name = topic.slice(command.length);
      return name === '' || name.includes('/') ? undefined : name;
    },
    acceptsResponse(topic) {
      // MQTT 5 §3.3.2.3.5: no wildcards. Topics of the agent are excluded: a requester must not write to them with the
      // rights of the agent, or send it commands in its own name.
      const wellFormed = /^[^$#+\0][^#+\0]{0,1023}$/.test(topic);
      const ours = topic === base || topic.startsWith(`${base}/`);
      return wellFormed && (!ours || (topic.startsWith(command) && topic.endsWith('/reply')));
    },
  };
}
