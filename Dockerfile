# syntax=docker/dockerfile:1
# The server with its console. By default the database is embedded, in the volume; with DATABASE_URL it is elsewhere.
#   docker build --tag grandstand .
#   docker run --publish 7070:7070 --volume grandstand:/var/lib/grandstand --read-only --tmpfs /tmp grandstand

ARG NODE_VERSION=22

FROM node:${NODE_VERSION}-bookworm-slim AS build
WORKDIR /build
# Dependencies change less often than the code: they are a layer of their own.
COPY package.json package-lock.json .npmrc ./
COPY sdk/package.json sdk/
COPY server/package.json server/
COPY server/bin server/bin
COPY console/package.json console/
RUN npm ci --ignore-scripts
COPY . .
# Links of PostgreSQL's libraries, which npm packages cannot hold, are made by an install script.
RUN npm rebuild --foreground-scripts=false && node scripts/build.mjs && node scripts/stage.mjs /staged --with-dependencies

# Slim, not distroless: initdb of the embedded database starts its programs by a shell.
FROM node:${NODE_VERSION}-bookworm-slim
ENV NODE_ENV=production \
    HOST=0.0.0.0 \
    PORT=7070 \
    DATA_DIR=/var/lib/grandstand
# The user has a name, as initdb wants it. What the image holds belongs to root: the server cannot change itself.
RUN mkdir /var/lib/grandstand && chown node:node /var/lib/grandstand
COPY --from=build /staged /opt/grandstand
WORKDIR /var/lib/grandstand
USER node
VOLUME /var/lib/grandstand
EXPOSE 7070
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "/opt/grandstand/bin/healthcheck.js"]
ENTRYPOINT ["node", "--max-semi-space-size=6", "/opt/grandstand/bin/grandstand.js"]
CMD ["start"]
