/** What a decoding process gets to know: where libraries and temporary files are, and none of the agent's secrets. */
export function childEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith('QC_')));
}
