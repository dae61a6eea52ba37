# lastgood as an image, from this directory alone: `docker compose build`.
FROM node:20.20.2-bookworm-slim AS build
WORKDIR /lastgood
COPY package.json package-lock.json ./
COPY examples/mail-triage/package.json examples/mail-triage/
# The sources come after the packages, so that a change in them does not fetch those again; the build is made below.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY . .
# What `lastgood --version` says; the repository itself does not come along.
ARG LASTGOOD_COMMIT=
RUN npm run build && npm prune --omit=dev --ignore-scripts

FROM node:20.20.2-bookworm-slim
ENV NODE_ENV=production
WORKDIR /lastgood
COPY --from=build /lastgood/package.json ./
COPY --from=build /lastgood/node_modules ./node_modules
COPY --from=build /lastgood/dist ./dist
RUN mkdir -p -m 0700 /var/lib/lastgood && chown node:node /var/lib/lastgood
USER node
VOLUME /var/lib/lastgood
ENTRYPOINT ["node", "/lastgood/dist/cli/lastgood.js"]
CMD ["--help"]
