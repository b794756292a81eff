# The session service with the web app.
#   docker build -f deploy/docker/session-api.Dockerfile -t meridian/session-api .
# Node runs the TypeScript sources as they are, but refuses to below node_modules: so the image keeps
# the workspace's layout instead of an install of packages.
ARG NODE_IMAGE=docker.io/library/node:24-bookworm-slim

FROM ${NODE_IMAGE} AS workspace
WORKDIR /meridian
RUN npm install --global --no-audit --no-fund pnpm@12.21.0
COPY . .

FROM workspace AS web
RUN pnpm install --frozen-lockfile --filter "@meridian/web..." \
  && pnpm --filter @meridian/web build

FROM workspace AS service
RUN pnpm install --frozen-lockfile --prod --no-optional --filter "@meridian/session-api..." \
  && rm -rf scripts packages/cli packages/client packages/harness packages/lab packages/media packages/sfu-node packages/web

FROM ${NODE_IMAGE}
ENV NODE_ENV=production \
  MERIDIAN_HTTP_HOST=0.0.0.0 \
  MERIDIAN_HTTP_PORT=7080 \
  MERIDIAN_KEYS_DIR=/data/keys \
  MERIDIAN_STORE=sqlite:/data/meridian.sqlite \
  MERIDIAN_WEB_DIR=/meridian/packages/web/dist
WORKDIR /meridian
COPY --from=service /meridian ./
COPY --from=web /meridian/packages/web/dist packages/web/dist
RUN mkdir /data && chown node:node /data
USER node
VOLUME /data
EXPOSE 7080
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s CMD ["node", "deploy/docker/healthcheck.mjs", "/healthz"]
CMD ["node", "--disable-warning=ExperimentalWarning", "packages/session-api/src/main.ts"]
