/** The configuration that a first set-up starts from: commented, and complete except for its cameras. */

/** @param tokensFile needed for a host that other machines can reach */
export function templateText(station: string, host: string, port: number, tokensFile?: string): string {
  return `# The configuration of this station. docs/setup.md explains how to change it, config/reference.md lists every key.
#   qc-agent config check FILE      reports what is wrong, and where
#   qc-agent doctor --config FILE   checks cameras, broker, model and disk
#   qc-agent run --config FILE      starts the inspection

# Letters, digits, - and _: part of topics and results.
station: ${station}

# One block for each camera:
#   url           rtsp://user@host/path, or file:FOLDER to use images instead of a camera
#   passwordFile  file with the password of the camera, which only the agent can read (chmod 600)
#   region        the part of the image that is inspected, in fractions; default: all of it
#   trigger       what makes a part: { kind: presence } something enters the region,
#                 { kind: command } a PLC asks for it, { kind: continuous, everyMs: 200 } at a fixed interval
cameras:

# The broker for results and commands: mqtts:// with ca, cert and key for TLS; username and passwordFile for a log-in.
mqtt:
  url: mqtt://127.0.0.1:1883

# Page, API, metrics and health. Any other host needs tokensFile (qc-agent token creates its lines).
http:
  host: ${host}
  port: ${port}${tokensFile === undefined ? '' : `\n  tokensFile: ${tokensFile}`}

# Labels of good parts; every other label is a defect.
labels:
  good: [good]

# Folder of everything that the agent writes; relative to this file.
storage:
  directory: ./data
`;
}
