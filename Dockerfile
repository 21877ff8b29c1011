# The program in a container of its own. Not tested here: no registry of images was within reach when it was written.
#
#   docker build --tag rectify .
#   docker run --rm --user "$(id -u):$(id -g)" --volume "$PWD:/work" --workdir /work rectify check runbooks/connector-exhaustion.toml
#
# Runs are kept below XDG_STATE_HOME: mount a folder there that outlives the container, or a run cannot be resumed and rolled back.
FROM rust:1.95-slim-bookworm AS build
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
RUN cargo build --locked --profile dist --bin rectify

FROM debian:bookworm-slim
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home rectify
COPY --from=build /source/target/dist/rectify /usr/local/bin/rectify
USER rectify
ENV XDG_STATE_HOME=/home/rectify/.local/state
ENTRYPOINT ["rectify"]
