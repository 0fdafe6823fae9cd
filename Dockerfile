# docker build -t ketch .
# docker run --rm -p 11211:11211 -v ./conf:/etc/ketch:ro ketch --config /etc/ketch/ketch.yaml
#
# In conf/ketch.yaml, listen on 0.0.0.0: the loopback of a container is the container's own. The directory is mounted, and
# not the file: an editor puts a new file in the place of the old one, which the mount of a file would go on showing.

FROM rust:1.95-slim-bookworm AS build
# The image of the day has the compiler of the day; nothing of it is in what is shipped.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /ketch
COPY Cargo.toml Cargo.lock ./
COPY src src
COPY benches benches
# The manifest names it, so it has to be there.
COPY tests/instructions tests/instructions
RUN cargo build --locked --profile dist --bin ketch && strip target/dist/ketch

# Nothing but libc, and a user who is not root.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /ketch/target/dist/ketch /usr/local/bin/ketch
EXPOSE 11211 11280 11290
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/ketch"]
