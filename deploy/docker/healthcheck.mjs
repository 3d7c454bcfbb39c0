/** For HEALTHCHECK: exit 0 where the agent in this container is alive and its work goes on. */
const port = process.env.QC_HTTP__PORT || 8080;
const answer = await fetch(`http://127.0.0.1:${port}/healthz`).catch((error) => {
  console.error(`no answer: ${error.cause?.message ?? error.message}`);
  return undefined;
});
if (answer) console.log(await answer.text());
process.exitCode = answer?.ok ? 0 : 1;
