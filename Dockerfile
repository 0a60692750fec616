# One image for every process: workers, publisher, scheduler and the command line.
FROM node:24.11.1-bookworm AS build
WORKDIR /app
# The CPU binaries are inside onnxruntime-node's package; its install step would fetch CUDA files.
ENV ONNXRUNTIME_NODE_INSTALL=skip
COPY package.json package-lock.json .npmrc ./
RUN npm ci --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY src src
COPY workers workers
COPY bench bench
COPY web web
COPY models models
# Graphs are prepared here, so that a container writes nothing but banks.
RUN npm run --silent build \
  && node dist/src/cli/main.js models prepare \
  && npm prune --omit=dev --no-audit --no-fund

FROM node:24.11.1-bookworm-slim
WORKDIR /app
# glibc's malloc left to itself keeps what a bank took, in pieces, when the next version has replaced it: a hundred megabytes more. Blocks
# of 8 MiB and more are mapped apart and given back; smaller ones are used again, as search takes some megabytes for every batch, and to
# have them mapped each time took a fifth of its time (`npm run bench -- service`).
ENV NODE_ENV=production \
  MALLOC_ARENA_MAX=2 \
  MALLOC_MMAP_THRESHOLD_=8388608 \
  MALLOC_TRIM_THRESHOLD_=8388608 \
  FOILBANK_STORE=/banks \
  FOILBANK_CACHE=/app/models/cache \
  FOILBANK_MONITOR_HOST=0.0.0.0
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist/src dist/src
COPY --from=build /app/dist/web dist/web
COPY --from=build /app/dist/workers dist/workers
COPY --from=build /app/models models
COPY package.json LICENSE ./
# A new volume takes owner and mode of the folder that it covers.
RUN install -d -o node -g node /banks /keys
USER node
EXPOSE 8080 9464
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:9464/livez').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node"]
CMD ["dist/src/cli/main.js", "--help"]
