/** Environment of a decoding process: paths of libraries and temporary files, but no secrets of the agent. */
export function childEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith('QC_')));
}
