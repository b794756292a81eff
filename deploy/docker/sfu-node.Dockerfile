# A node of the cluster.
#   docker build -f deploy/docker/sfu-node.Dockerfile -t meridian/sfu-node .
# Node runs the TypeScript sources as they are, but refuses to below node_modules: so the image keeps
# the workspace's layout instead of an install of packages.
ARG NODE_IMAGE=docker.io/library/node:24-bookworm-slim

FROM ${NODE_IMAGE} AS service
WORKDIR /meridian
RUN npm install --global --no-audit --no-fund pnpm@12.21.0
COPY . .
RUN pnpm install --frozen-lockfile --prod --no-optional --filter "@meridian/sfu-node..."
# The prebuilt worker of mediasoup's release, or one built from source where that cannot be had.
RUN MEDIASOUP_WORKER_CACHE=/worker scripts/worker \
  && mv /worker/mediasoup-worker-*/mediasoup-worker /usr/local/bin/mediasoup-worker \
  && rm -rf scripts packages/cli packages/client packages/harness packages/lab packages/session-api packages/store packages/web

FROM ${NODE_IMAGE}
# What a worker that was built from source is linked with.
RUN apt-get update \
  && apt-get install -y --no-install-recommends libsrtp2-1 libssl3 libuv1 \
  && rm -rf /var/lib/apt/lists/*
ENV NODE_ENV=production \
  MEDIASOUP_WORKER_BIN=/usr/local/bin/mediasoup-worker \
  MERIDIAN_HTTP_HOST=0.0.0.0 \
  MERIDIAN_HTTP_PORT=8081
WORKDIR /meridian
COPY --from=service /usr/local/bin/mediasoup-worker /usr/local/bin/mediasoup-worker
COPY --from=service /meridian ./
USER node
EXPOSE 8081 40000/udp 40000/tcp 41000-41999/udp
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s CMD ["node", "deploy/docker/healthcheck.mjs", "/healthz"]
CMD ["node", "--disable-warning=ExperimentalWarning", "packages/sfu-node/src/main.ts"]
