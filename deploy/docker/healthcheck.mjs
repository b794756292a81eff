// For HEALTHCHECK: `healthcheck.mjs [path]` ends with 0 when this container's service answers the path with 2xx.
const path = process.argv[2] ?? '/healthz';
const port = process.env.MERIDIAN_HTTP_PORT;
try {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(3_000) });
  process.exitCode = response.ok ? 0 : 1;
} catch {
  process.exitCode = 1;
}
